"""Whether an image, or an archive of it, is on a host: the fact `qcluster_image`. Changes nothing. Issue 6, Image."""

from __future__ import annotations

from qcluster.errors import UnreadableOutput
from qcluster.facts import images
from qcluster.modules.base import Call, Option, Reach, Report, Spec
from qcluster.modules.docker_image import archive


class ImageFound:
    spec = Spec(
        {
            "name": Option("str", required=True, help="The full reference that containers are started with."),
            "source": Option("str", default="pull", help="As that of docker_image."),
            "file": Option("path", default="", help="As that of docker_image."),
            "job_dir": Option("path", required=True, help="Folder of jobs."),
        },
        help="Look for an image on the host; the answer is the fact qcluster_image.",
    )
    supports_check = True

    def run(self, call: Call, reach: Reach) -> Report:
        name, file = str(call.args["name"]), archive(call)
        question = images.find(name, file)
        try:
            found = question.parse(reach.transport.run(question.command))
        except UnreadableOutput as error:
            return Report(failed=str(error))
        known = {
            "name": name,
            "present": found.image is not None,
            "id": found.image.id if found.image else "",
            "layers": list(found.image.layers) if found.image else [],
            "size": found.image.size if found.image else 0,
            "architecture": found.image.architecture if found.image else "",
            "file": file if found.file else "",
            "file_size": found.file,
            "tools": sorted(found.tools),
            "jobs": str(call.args["job_dir"]),
        }
        return Report(facts={"qcluster_image": known}, values={"present": known["present"], "file": known["file"]})


image_found = ImageFound()
