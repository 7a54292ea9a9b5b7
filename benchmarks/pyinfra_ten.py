"""The same ten tasks for pyinfra. `pyinfra INVENTORY pyinfra_ten.py` runs it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import files, python, server

here = Path(__file__).parent / "ten"
place = f"{host.data.bench_place}/{host.name}"
workers = 4

files.directory(name="A folder", path=place, mode="755")
files.template(
    name="A file from a template",
    src=str(here / "templates/service.conf.j2"),
    dest=f"{place}/service.conf",
    mode="644",
    inventory_hostname=host.name,
    workers=workers,
)
files.put(
    name="A file as it is",
    src=StringIO((here / "files/notice.txt").read_text()),
    dest=f"{place}/notice.txt",
    mode="644",
)
kernel = server.shell(name="A command", commands=["uname -sr"])
count = server.shell(name="A pipe", commands=[f"ls '{place}' | wc -l"])


def right() -> None:
    assert int(count.stdout) == 2
    assert "Linux" in kernel.stdout


python.call(name="What was found is right", function=right)
host.get_fact(File, path=f"{place}/service.conf")
server.shell(name="Only where the file is there", commands=[f"cat '{place}/service.conf'"])
for word in ("one", "two", "three"):
    server.shell(name=f"Three times: {word}", commands=[f"echo {word}"])
server.shell(name="The last one", commands=[f"test -s '{place}/notice.txt' && echo fine"])
