"""The report of ``sluiceway doctor``, which needs no package of the extra ``cli``."""

from __future__ import annotations

import json

from sluiceway.cli.doctor.findings import json_document, text_lines
from sluiceway.cli.doctor.implementation import implementation
from sluiceway.cli.doctor.limits import limits
from sluiceway.cli.doctor.trial import loops
from sluiceway.cli.doctor.versions import tls, versions


def show(*, as_json: bool) -> None:
    """Examine the installation and print the report, as lines of text or as one JSON object."""
    sections = [versions(), implementation(), loops(), tls(), limits()]
    text = json.dumps(json_document(sections), indent=2) if as_json else "\n".join(text_lines(sections))
    print(text, flush=True)
