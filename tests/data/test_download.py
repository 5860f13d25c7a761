import errno
import hashlib
import http.client
import http.server
import io
import pathlib
import threading
import urllib.error
import urllib.request

import pytest

from drrec.data.download import TIMEOUT, Unreachable, _Redirects, download
from drrec.errors import InputError

URL = "https://files.example/x.zip"
CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def serve(monkeypatch):
    def _serve(body):
        def opened(self, url, timeout):
            assert (url, timeout) == (URL, TIMEOUT)
            if isinstance(body, Exception):
                raise body
            return body if hasattr(body, "read") else io.BytesIO(body)

        monkeypatch.setattr(urllib.request.OpenerDirector, "open", opened)

    return _serve


class Breaking(io.BytesIO):
    """An answer that breaks off after one piece."""

    def read(self, size=-1):
        if self.tell():
            raise http.client.IncompleteRead(b"")
        return super().read(size)


def test_a_whole_file_lands(tmp_path, serve, capfd):
    serve(CONTENT)
    download(URL, tmp_path / "raw" / "x.zip", len(CONTENT), SHA256)
    assert (tmp_path / "raw" / "x.zip").read_bytes() == CONTENT
    assert "B/s" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (CONTENT[:-1], f"Expected {len(CONTENT):,} bytes .* Received: {len(CONTENT) - 1:,}"),
        (CONTENT + b"x", "Received: more"),
        (b"", "Received: 0"),
        (CONTENT[:-1] + b"x", f"Expected SHA-256 {SHA256}"),
    ],
    ids=["truncated", "too long", "empty", "other"],
)
def test_another_file_leaves_nothing(tmp_path, serve, body, message):
    serve(body)
    with pytest.raises(InputError, match=message):
        download(URL, tmp_path / "x.zip", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_not_read_to_its_end(tmp_path, serve):
    sent = []

    class Counted(io.BytesIO):
        def read(self, size=-1):
            sent.append(size)
            return super().read(size)

    serve(Counted(CONTENT * 9))
    with pytest.raises(InputError, match="Received: more"):
        download(URL, tmp_path / "x.zip", len(CONTENT), SHA256)
    assert sum(sent) < 2 * len(CONTENT)


@pytest.mark.parametrize(
    "fault",
    [
        urllib.error.URLError("Name or service not known"),
        urllib.error.HTTPError(URL, 503, "Busy", http.client.HTTPMessage(), None),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        Breaking(CONTENT),
    ],
    ids=["no name", "http 503", "timeout", "reset", "breaks off"],
)
def test_a_host_that_fails_is_unreachable_and_leaves_nothing(tmp_path, serve, fault):
    serve(fault)
    with pytest.raises(Unreachable, match=URL):
        download(URL, tmp_path / "x.zip", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []


class Shortened(http.server.BaseHTTPRequestHandler):
    """A host that announces all and sends half."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def log_message(self, *_):
        pass


def test_a_host_that_sends_less_than_it_announces_has_broken_off(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Shortened) as host:
        threading.Thread(target=host.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{host.server_port}/x.zip"
        with pytest.raises(Unreachable, match="broke off 512,000 bytes before the end"):
            download(url, tmp_path / "x.zip", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []


def redirecting(target):
    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/there":
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
            else:
                self.send_response(302)
                self.send_header("Location", target)
            self.end_headers()
            if self.path == "/there":
                self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    return Redirecting


@pytest.fixture
def redirected(tmp_path):
    """Downloads from a host that sends elsewhere."""

    def _redirected(target):
        with http.server.HTTPServer(("127.0.0.1", 0), redirecting(target)) as host:
            threading.Thread(target=host.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{host.server_port}/x.zip"
            try:
                download(url, tmp_path / "x.zip", len(CONTENT), SHA256)
            finally:
                host.shutdown()

    return _redirected


def test_a_redirection_to_another_page_is_followed(tmp_path, redirected):
    redirected("/there")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_nothing_but_http_is_opened(tmp_path, monkeypatch, redirected, scheme):
    (tmp_path / "secret").write_bytes(CONTENT)
    places = {
        "file": (tmp_path / "secret").as_uri(),
        "ftp": "ftp://127.0.0.1:1/x",
        "data": "data:,x",
    }
    for handler in (urllib.request.FTPHandler, urllib.request.FileHandler):
        monkeypatch.setattr(handler, f"{handler.__name__[:-7].lower()}_open", None)  # not called
    for run in (redirected, lambda url: download(url, tmp_path / "x.zip", len(CONTENT), SHA256)):
        with pytest.raises(Unreachable, match="cannot be reached"):
            run(places[scheme])
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_no_redirection_gives_up_encryption():
    request = urllib.request.Request(URL)
    follow = _Redirects().redirect_request
    with pytest.raises(urllib.error.URLError, match=r"redirects to 'http://files\.example/x\.zip'"):
        follow(request, None, 302, "Found", {}, URL.replace("https", "http"))
    assert follow(request, None, 302, "Found", {}, f"{URL}?a").full_url == f"{URL}?a"


def test_a_full_disk_is_no_unreachable_host_and_leaves_nothing(tmp_path, serve, monkeypatch):
    serve(CONTENT)
    opened = pathlib.Path.open

    class Full(io.BytesIO):
        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(self, mode="r", *args, **kwargs):
        return Full() if "w" in mode else opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(pathlib.Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        download(URL, tmp_path / "x.zip", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []
