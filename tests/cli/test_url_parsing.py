"""URLs of the command line: how each is parsed, and the error for each invalid one."""

import pytest

from sluiceway.cli.target import BadURLError, parse


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "host_header", "request_target"),
    [
        ("http://example.org", "example.org", 80, False, "example.org", "/"),
        ("http://example.org/", "example.org", 80, False, "example.org", "/"),
        ("https://example.org/a/b?c=d&e", "example.org", 443, True, "example.org", "/a/b?c=d&e"),
        ("https://example.org?q", "example.org", 443, True, "example.org", "/?q"),
        ("HTTP://EXAMPLE.org:8080/x", "example.org", 8080, False, "example.org:8080", "/x"),
        ("https://example.org:443/", "example.org", 443, True, "example.org", "/"),
        ("http://example.org:443/", "example.org", 443, False, "example.org:443", "/"),
        ("http://127.0.0.1:1/", "127.0.0.1", 1, False, "127.0.0.1:1", "/"),
        ("http://[::1]:8080/", "::1", 8080, False, "[::1]:8080", "/"),
        ("http://[fe80::1%eth0]/", "fe80::1%eth0", 80, False, "[fe80::1]", "/"),
        (
            "http://example.org/a b\u00e9%20?\u00fc=1#part",
            "example.org",
            80,
            False,
            "example.org",
            "/a%20b%C3%A9%20?%C3%BC=1",
        ),
        ("http://example.org/\udcff", "example.org", 80, False, "example.org", "/%FF"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example", 80, False, "xn--bcher-kva.example", "/"),
    ],
)
def test_http_url_is_parsed(url, host, port, tls, host_header, request_target):
    target = parse(url)
    assert (target.host, target.port, target.tls, target.unix_path) == (host, port, tls, None)
    assert (target.host_header, target.request_target) == (host_header, request_target)


@pytest.mark.parametrize(
    ("url", "path", "host_header", "request_target"),
    [
        ("unix:/run/app.sock", "/run/app.sock", "localhost", "/"),
        ("unix:///run/app.sock", "/run/app.sock", "localhost", "/"),
        ("unix:app.sock", "app.sock", "localhost", "/"),
        ("unix:/a%20b%3F.sock", "/a b?.sock", "localhost", "/"),
        ("unix:/a b.sock", "/a b.sock", "localhost", "/"),
        ("unix:/a%FF", "/a\udcff", "localhost", "/"),
        ("unix:@name", "\0name", "localhost", "/"),
        ("unix:%40name", "@name", "localhost", "/"),
        ("unix:/s?path=/x/y&host=example.org:8", "/s", "example.org:8", "/x/y"),
        ("unix:/s?path=/x%3Fa%3D1", "/s", "localhost", "/x?a=1"),
        ("unix:/s?path=/a%0D%0Ab", "/s", "localhost", "/a%0D%0Ab"),
    ],
)
def test_unix_url_is_parsed(url, path, host_header, request_target):
    target = parse(url)
    assert (target.unix_path, target.host, target.port, target.tls) == (path, "", 0, False)
    assert (target.host_header, target.request_target) == (host_header, request_target)


@pytest.mark.parametrize(
    ("url", "peer"),
    [("http://a/", "a:80"), ("http://[::1]:8/", "[::1]:8"), ("unix:/s", "/s"), ("unix:@name", "@name")],
)
def test_peer_is_written_as_host_and_port_or_path(url, peer):
    assert parse(url).peer == peer


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no scheme"),
        ("example.org", "no scheme"),
        ("localhost:8080", "no scheme"),
        ("//example.org/", "no scheme|'' is not supported"),
        ("http:/example.org", "no scheme"),
        ("ftp://example.org/", "scheme 'ftp' is not supported"),
        ("http://", "no host"),
        ("http://:80/", "no host"),
        ("http://example.org:0/", "bad port"),
        ("http://example.org:65536/", "bad port"),
        ("http://example.org:-1/", "bad port"),
        ("http://example.org:http/", "bad port"),
        ("http://me:secret@example.org/", "remove 'user:password@' from the URL"),
        ("http://[::1/", "brackets"),
        ("http://[example.org]/", "brackets|not a valid host name"),
        (
            "http://ex\u2100mple.com/",
            "the host name contains invalid characters; use letters, digits, hyphens and dots$",
        ),
        ("http://[::zz]/", "brackets|not a valid IPv6 address"),
        ("http://a..b/", "not a valid host name"),
        (f"http://{'a' * 64}.org/", "not a valid host name"),
        ("http://a b/", "not a valid host name"),
        ("http://999:1/", "^'999' is not an IPv4 address, which has four decimal numbers from 0 to 255$"),
        ("http://0x7f.1/", "^'0x7f.1' is not an IPv4 address"),
        ("http://a/\r\nX: y", "control characters"),
        ("http://a/\0", "control characters"),
        ("unix:", "no path"),
        ("unix:@", "no path"),
        ("unix://host/path", "no host before its path"),
        ("unix:/a#b", "%23"),
        ("unix:/a%00b", "NUL"),
        ("unix:/s?port=1", "unknown parameter 'port'"),
        ("unix:/s?path=x", "must begin with a slash"),
        ("unix:/s?host=a%0D%0AX:b", "not a valid host name"),
        ("unix:/s?host=", "^'' is not a valid host name; use letters, digits, hyphens and dots$"),
    ],
)
def test_invalid_url_raises_error_with_reason(url, message):
    with pytest.raises(BadURLError, match=message):
        parse(url)
