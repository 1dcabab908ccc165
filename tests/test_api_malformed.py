"""Three hundred uploads that are refused, one by one, and what stands on the disk and in the server after them."""

import http.client
import json
from collections import Counter

import pytest
from api_server import AUDIO, IMAGES, Server, bundles, collected, png, server, wav
from conftest import SPOKEN_TEXTS, WRITTEN_TEXTS
from malformed_uploads import three_hundred

__all__ = ["bundles", "collected", "server"]  # fixtures
# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def test_three_hundred_malformed_uploads_are_refused_cleanly(server: Server) -> None:
    uploads = list(three_hundred())
    assert len(uploads) == 300
    told = Counter[str]()
    host = server.address.removeprefix("http://")
    for number, upload in enumerate(uploads):
        connection = http.client.HTTPConnection(host, timeout=20)
        headers = {"Content-Type": upload.content_type} if upload.content_type else {}
        connection.request("POST", upload.path, upload.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert 400 <= answer.status < 500, (upload.kind, number, answer.status, body[:300])
        error = json.loads(body)["error"]
        assert error["message"].endswith(".") and error["type"] == "invalid_request_error"
        assert str(server.desk.folder) not in body.decode()
        assert server.left() == [], upload.kind
        told[upload.kind] += 1
        if number % 30 == 29:  # the next good request is answered
            assert server.post(AUDIO, wav()).json()["text"] == SPOKEN_TEXTS[0]
            assert server.post(IMAGES, png()).json()["text"] == WRITTEN_TEXTS[4]
    assert sum(told.values()) == 300 and len(told) == 12
    # Nothing was written under a name of the client's, here or above.
    assert not [path for path in server.desk.folder.parent.rglob("*") if "evil" in path.name]
