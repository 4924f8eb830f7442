"""A tenant's border in S3, for every route, every query and every header that names something.

A bucket is named by everybody as he likes and found in the signer's own project; uploads and versions have ids. So what
is another's is said in each place where a name or an id may stand, in one's own bucket and in his: the answer is that
for nobody's, and no row of his comes, goes or changes.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.one_service import Answer
from tests.border.asking import absent, essence, words_asked
from tests.border.traces import Victim, told_apart
from tests.policies.records import Project, fill, new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from tests.signing import signed

ACTS = ("uploads", "versions", "versioning", "acl", "location", "delete", "tagging", "list-type", "policy")
"""What makes another act of a request, with nothing to say."""
BODIES = {
    "delete": "<Delete><Object><Key>{key}</Key><VersionId>{id}</VersionId></Object></Delete>",
    "uploadId": "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    "</CompleteMultipartUpload>",
    "versioning": "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
}
HEADERS = ("x-amz-copy-source",)


class Person:
    """A project with a bucket, an object of two versions in it, and an upload under way."""

    def __init__(self, cloud: WholeCloud, project: Project, bucket: str) -> None:
        self.cloud, self.project, self.bucket = cloud, project, bucket
        self.key: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    async def begin(self) -> None:
        token = self.project.tokens(self.cloud)["member"]
        path = f"/identity/v3/users/{self.project.user_id}/credentials/OS-EC2"
        made = await self.cloud.call("POST", path, {"tenant_id": self.project.id}, token=token)
        assert made.status == 201, made.raw
        self.key = made.body["credential"]
        where = f"/{self.bucket}"
        for method, at, body, query in (
            ("PUT", where, b"", ""),
            (
                "PUT",
                where,
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
                "versioning",
            ),
            ("PUT", f"{where}/thing", b"first", ""),
            ("PUT", f"{where}/thing", b"second", ""),
        ):
            answer = await self.ask(method, at, body, query=query)
            assert answer.status == 200, answer.raw
            self.ids["version"] = answer.headers.get("x-amz-version-id", "")
        begun = await self.ask("POST", f"{where}/thing", query="uploads")
        self.ids["upload"] = begun.raw.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
        part = await self.ask("PUT", f"{where}/thing", b"part", query=f"uploadId={self.ids['upload']}&partNumber=1")
        assert part.status == 200, part.raw
        self.ids["etag"] = part.headers["etag"].strip('"')

    async def ask(self, method: str, path: str, body: bytes = b"", *, query: str = "", **also: str) -> Answer:
        words = {name.replace("_", "-"): value for name, value in also.items()} | {"content-length": str(len(body))}
        said = signed(self.key, method, f"/s3{path}", body, host="cloud:8774", query=query, also=words)
        headers = [(name.encode(), value.encode()) for name, value in said.items()]
        return await self.cloud.call(method, f"/s3{path}", body, headers=headers, query=query.encode())


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def people(cloud: WholeCloud) -> tuple[Person, Person, Victim]:
    found = []
    for name in ("theirs", "mine"):
        project = await new_project(cloud, name)
        await fill(cloud, project)
        found.append(Person(cloud, project, f"box-of-{name}"))
        await found[-1].begin()
    theirs, mine = found
    victim = Victim(cloud, theirs.project)
    await victim.find()
    return theirs, mine, victim


def bodies(theirs: Person) -> list[bytes]:
    told = {"key": "thing", "id": theirs.ids["version"], "etag": theirs.ids["etag"]}
    return [b"", *(text.format(**told).encode() for text in BODIES.values())]


async def test_what_is_anothers_in_s3_is_what_is_nobodys(cloud: WholeCloud) -> None:
    theirs, mine, victim = await people(cloud)
    (service,) = {service for service, _ in cloud.routes if service.name == "s3"}
    routes = sorted({(route.method, route.path.count("{")) for one, route in cloud.routes if one is service})
    wrong: list[str] = []
    asked = accepted = 0
    before = set(await victim.rows())
    naming = [word for word in sorted(words_asked(service)) if word not in ACTS]
    queries = ["", *ACTS, *(f"{word}={{}}" for word in naming), "uploadId={}&partNumber=1", "delete&versionId={}"]
    for method, depth in routes:
        paths = ["/", "/{}", "/{}/thing"][: depth + 1] + [f"/{mine.bucket}", f"/{mine.bucket}/other"][:depth]
        for path in paths:
            if path.count("/") - (path == "/") > depth:
                continue
            for query in queries:
                for body in bodies(theirs) if method in ("POST", "PUT") else [b""]:
                    told: dict[str, Any] = {}
                    for whose, bucket, ids in (
                        ("nobody's", "box-of-nobody", {name: absent(id) for name, id in theirs.ids.items()}),
                        ("his", theirs.bucket, theirs.ids),
                    ):
                        id = ids["version"] if "ersion" in query else ids["upload"]
                        if path == "/{}" and method == "PUT" and not query and not body:
                            continue  # everybody may make a bucket of any name
                        answer = await mine.ask(method, path.format(bucket), body, query=query.format(id))
                        asked += 1
                        accepted += answer.status < 300
                        told[whose] = essence(answer, id, looking=method in ("GET", "HEAD"))
                        told[whose] = (told[whose][0], told[whose][1].replace(bucket, "").replace(id, ""))
                        assert b"first" not in answer.raw
                        assert b"second" not in answer.raw
                    if told and told["his"] != told["nobody's"]:
                        wrong.append(f"{method} {path}?{query} {body[:30]!r}: {told}")
        rows = set(await victim.rows())
        wrong += [f"{method} of depth {depth}: {line}" for line in told_apart(before, rows)]
        before = rows
    assert wrong == []
    assert (asked > 800, accepted > 50) == (True, True), (asked, accepted)


async def test_what_is_copied_is_ones_own(cloud: WholeCloud) -> None:
    theirs, mine, victim = await people(cloud)
    before = set(await victim.rows())
    begun = await mine.ask("POST", f"/{mine.bucket}/copy", query="uploads")
    upload = begun.raw.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    account = theirs.project.held["account"]
    sources = [
        f"{theirs.bucket}/thing", f"/{theirs.bucket}/thing", f"{theirs.bucket}/thing?versionId={theirs.ids['version']}",
        f"{mine.bucket}/thing?versionId={theirs.ids['version']}", f"{mine.bucket}/../{theirs.bucket}/thing",
        f"{mine.bucket}%2F..%2F{theirs.bucket}%2Fthing", f"/{account}/{theirs.bucket}/thing",
        f"{theirs.project.id}:{theirs.bucket}/thing", f"arn:aws:s3:::{theirs.bucket}/thing",
        f"{theirs.bucket}+segments/{theirs.ids['upload']}/00001",
    ]  # fmt: skip
    for source in sources:
        for query in ("", f"uploadId={upload}&partNumber=1"):
            answer = await mine.ask("PUT", f"/{mine.bucket}/copy", query=query, x_amz_copy_source=source)
            assert answer.status == 404, (source, query, answer.raw)
    own = await mine.ask("PUT", f"/{mine.bucket}/copy", x_amz_copy_source=f"{mine.bucket}/thing")
    assert own.status == 200
    assert told_apart(before, set(await victim.rows())) == []


async def test_who_signs_is_who_has_the_secret(cloud: WholeCloud) -> None:
    """And nobody else: by another's key with one's own secret, by a token beside it, by words of another algorithm."""
    theirs, mine, _ = await people(cloud)
    where = f"/{theirs.bucket}/thing"
    mixed = Person(cloud, mine.project, mine.bucket)
    for key in ({"access": theirs.key["access"], "secret": mine.key["secret"]},
                {"access": theirs.key["access"], "secret": ""}, {"access": theirs.key["access"], "secret": "None"},
                {"access": mine.key["access"] + theirs.key["access"], "secret": mine.key["secret"]}):  # fmt: skip
        mixed.key = key
        assert (await mixed.ask("GET", where)).status == 403
    token = theirs.project.tokens(cloud)["member"]
    answer = await mine.ask("GET", where, x_auth_token=token)
    assert answer.status == 404
    assert (await cloud.call("GET", f"/s3{where}", token=token)).status == 403
    for name in ("x-project-id", "x-tenant-id", "x-amz-expected-bucket-owner", "x-amz-security-token"):
        also: dict[str, Any] = {name: theirs.project.id}
        assert (await mine.ask("GET", where, **also)).status in (403, 404)
