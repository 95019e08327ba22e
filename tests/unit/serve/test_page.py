"""The page, in a browser."""

from __future__ import annotations

import pytest


@pytest.mark.browser
def test_a_photo_is_dropped_and_named(empty, people, browser):
    (name, (first, second)), *_ = people.items()
    status, answer = empty("/enroll", first, name=name)
    assert status == 200, answer
    page = browser.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))  # what the policy forbids is said there
    page.goto(empty.address)
    page.set_input_files("#file", first)
    page.wait_for_selector("#faces li")
    assert page.inner_text("#faces strong") == page.inner_text("#seen b") == name
    assert "FPIR" in page.inner_text("#said") or "strangers" in page.inner_text("#said")
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no photo"})
    page.wait_for_selector("#status:has-text('No face')")
    empty.gallery.unlink()
    page.set_input_files("#file", second)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "There is no gallery here." in page.inner_text("#trouble")
    page.close()
    assert [text for text in problems if "409" not in text] == []
