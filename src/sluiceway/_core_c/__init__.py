"""The compiled variant of ``sluiceway._core``: the same files, with C types that .pxd files declare, and .pyx files.

The import fails in an installation without compiled files. ``sluiceway._implementation`` chooses the variant; other
modules import this package only if it was chosen.
"""

import sys

from .borrowed_reader import BorrowedReader
from .bytearray_buffer import BytearrayBuffer
from .chunk_buffer import ChunkBuffer
from .closing import ClosingState
from .coarse_timer import CoarseTimer, TimeLimit, set_timer, timer_of
from .complete_instances import require_calls
from .connection_state import ConnectionState
from .end_of_input import received_data_lost, written_data_lost
from .length_prefixed import LengthPrefixed
from .loop_delivery import LoopDelivery
from .protocol_operations import ProtocolOperations
from .protocol_receiver import ProtocolReceivers
from .raw_transport import RawTransportProvider
from .read_operations import StreamReader as ReadOperations
from .receive_interface import ReceiverProvider, ReceiverReference
from .receive_memory import Scratch
from .receiver import Receiver
from .separated_records import SeparatedRecords
from .stream_reads import Stream as StreamReads
from .task_stepper import new_stepper
from .tls_receive import TLSReceiver
from .tls_send import TLSSender
from .validation import (
    as_bytes,
    as_count,
    as_limit,
    as_seconds,
    as_separators,
    as_size,
    float_if_number,
    joined,
    must_be_awaited,
)
from .write_flow_control import WriteFlowControl
from .write_operations import StreamWriter as WriteOperations
from .write_queue import WriteQueue

__all__ = [
    "BorrowedReader",
    "BytearrayBuffer",
    "ChunkBuffer",
    "ClosingState",
    "CoarseTimer",
    "ConnectionState",
    "LengthPrefixed",
    "LoopDelivery",
    "ProtocolOperations",
    "ProtocolReceivers",
    "RawTransportProvider",
    "ReadOperations",
    "Receiver",
    "ReceiverProvider",
    "ReceiverReference",
    "Scratch",
    "SeparatedRecords",
    "StreamReads",
    "TLSReceiver",
    "TLSSender",
    "TimeLimit",
    "WriteFlowControl",
    "WriteOperations",
    "WriteQueue",
    "as_bytes",
    "as_count",
    "as_limit",
    "as_seconds",
    "as_separators",
    "as_size",
    "float_if_number",
    "joined",
    "must_be_awaited",
    "new_stepper",
    "received_data_lost",
    "set_timer",
    "timer_of",
    "written_data_lost",
]

# The base classes of the public classes check their fields instead, because programs may make instances in any way.
_safe = (ProtocolOperations, ReadOperations, StreamReads, WriteOperations)
# The package derives classes from them, which call their ``__init__``.
_bases = (ClosingState, RawTransportProvider, ReceiverProvider)
for _name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
    require_calls(sys.modules[_name], _safe, _bases)
