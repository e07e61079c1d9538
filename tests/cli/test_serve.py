"""``serve``: what it prints, and that it starts, answers and ends as a process."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import pytest

from s3facade.app.server import Announcement
from s3facade.catalog.catalog import Viewable
from s3facade.catalog.contents import Broken
from s3facade.cli.lines import aws, neuroglancer, rclone
from s3facade.cli.main import parser
from s3facade.cli.serve import announcement, override
from s3facade.cli.what import settings

SAMPLE = Path(__file__).parents[2] / "examples" / "sample"
URL = "http://127.0.0.1:9000"


def test_options_win_over_settings():
    arguments = parser().parse_args(
        [
            "serve",
            str(SAMPLE),
            "--port",
            "0",
            "--host",
            "0.0.0.0",
            "--memory",
            "2 GiB",
            "--workers",
            "3",
            "--access-log",
        ]
    )
    chosen = override(settings(arguments.what), arguments)
    assert (chosen.server.port, chosen.server.host, chosen.server.access_log) == (0, "0.0.0.0", True)
    assert (chosen.limits.memory, chosen.limits.workers, chosen.limits.queue) == (2 << 30, 3, 1024)


@pytest.mark.parametrize("option", [["--port", "70000"], ["--memory", "4"], ["--workers", "0"], ["--port", "x"]])
def test_options_that_cannot_be_are_refused(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["serve", *option])
    assert option[0] in capsys.readouterr().err


def test_it_prints_what_it_serves_and_what_not():
    chosen = settings([str(SAMPLE)])
    broken = tuple(Broken(f"/data/{i}.tif", "It is truncated.") for i in range(12))
    ready = Announcement(URL, (("files", 0), ("images", 1)), (Viewable("images", "cell.ome.zarr", {}),), broken, 3)
    text = announcement(ready, chosen)
    for expected in ("s3://images  1 image, public", "3 images are not opened yet", "Not shown (12):", "0.tif: It is"):
        assert expected in text
    assert "11.tif" not in text
    assert f"{URL}/-/status" in text
    assert "zarr.open('s3://images/cell.ome.zarr'" in text


def test_a_private_bucket_gets_signed_lines_only(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(
        "sources: {s: {synthetic: {shape: {y: 8, x: 8}}}}\n"
        "buckets: {abc: {access: private, views: [{type: ome-zarr, from: s, path: s}]}}\n"
        "access: [{key: k, secret: secret-secret, buckets: [abc]}]\n"
    )
    text = announcement(Announcement(URL, (("abc", 1),), (Viewable("abc", "s", {}),), (), 0), settings([str(config)]))
    assert "no-sign-request" not in text
    assert "neuroglancer" not in text
    assert "secret-secret" not in text
    assert "AWS_ACCESS_KEY_ID" in text


def test_lines_survive_a_shell_and_a_url():
    prefix = "a b's #1%/ü.ome.zarr"
    assert shlex.split(aws(URL, f"s3://images/{prefix}"))[-1] == f"s3://images/{prefix}/"
    assert shlex.split(rclone(URL, "images", prefix))[-1].endswith(f":images/{prefix}")
    link = neuroglancer(f"{URL}/images/x%20y.ome.zarr", "x y", {"x": 0.5, "y": 0.5, "z": None})
    state = json.loads(unquote(link.partition("#!")[2]))
    assert list(state["dimensions"].items()) == [("x", [5e-7, "m"]), ("y", [5e-7, "m"]), ("z", [1, ""])]
    assert state["layers"][0]["source"] == f"{URL}/images/x%20y.ome.zarr/|zarr3:"


def test_a_process_serves_until_it_is_told_to_end():
    command = [sys.executable, "-m", "s3facade", "serve", str(SAMPLE), "--port", "0", "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            line = process.stdout.readline()
            url = line.split(" serves ")[1].split()[0]
            with urllib.request.urlopen(f"{url}/images/cell.ome.zarr/0/zarr.json", timeout=10) as answer:
                assert json.load(answer)["shape"] == [3, 350, 350]
            with pytest.raises(urllib.error.HTTPError, match="404") as caught:
                urllib.request.urlopen(f"{url}/images/cell.ome.zarr/0/c/0/0/1", timeout=10)
            caught.value.close()
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in output


def test_a_port_that_is_taken_is_said_in_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "s3facade", "serve", str(SAMPLE), "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("s3facade: Cannot listen on 127.0.0.1:")
    assert done.stdout == ""
