"""The files of the page."""

import re

from emay_voice_async.sandbox.control.files import page_files

FILES = page_files("emay_voice_async.sandbox.control.page")


def test_types() -> None:
    """Each file has the content type of its ending."""
    assert FILES["index.html"].content_type == "text/html; charset=utf-8"
    assert {name.rpartition(".")[2] for name in FILES} <= {"html", "css", "js", "svg"}


def test_nothing_from_outside() -> None:
    """No file names another host, and no file has what the content security policy forbids."""
    for name, file in FILES.items():
        text = file.body.decode()
        foreign = [url for url in re.findall(r"https?://[^\s\"'`<>)]*", text) if "www.w3.org" not in url]
        assert foreign == [] or all(url.startswith("http://127.0.0.1") for url in foreign), name
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name
