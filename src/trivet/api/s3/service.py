"""S3 as the catalog names it, and its way of saying no: a word that clients act on, in XML."""

from xml.sax.saxutils import escape

from trivet.api.kit.request import Request
from trivet.api.kit.service import Service
from trivet.domain.callers import Caller
from trivet.errors import Busy, Forbidden, OverQuota, TrivetError

_WORDS = {
    "acl.not_offered": ("AccessControlListNotSupported", 400),
    "body.cut": ("RequestTimeout", 400),
    "body.length": ("MissingContentLength", 411),
    "body.slow": ("RequestTimeout", 400),
    "body.too_large": ("MaxMessageLengthExceeded", 400),
    "container.absent": ("NoSuchBucket", 404),
    "container.full": ("BucketNotEmpty", 409),
    "container.name": ("InvalidBucketName", 400),
    "key.too_long": ("KeyTooLongError", 400),
    "method.not_allowed": ("MethodNotAllowed", 405),
    "object.absent": ("NoSuchKey", 404),
    "object.etag": ("BadDigest", 400),
    "object.precondition": ("PreconditionFailed", 412),
    "object.too_large": ("EntityTooLarge", 400),
    "bucket.exists": ("BucketAlreadyOwnedByYou", 409),
    "copy.itself": ("InvalidRequest", 400),
    "copy.source": ("InvalidArgument", 400),
    "metadata.count": ("MetadataTooLarge", 400),
    "metadata.size": ("MetadataTooLarge", 400),
    "metadata.value": ("MetadataTooLarge", 400),
    "query.argument": ("InvalidArgument", 400),
    "range.none": ("InvalidRange", 416),
    "s3.algorithm": ("InvalidRequest", 400),
    "s3.chunk": ("IncompleteBody", 400),
    "s3.chunk_signature": ("SignatureDoesNotMatch", 403),
    "s3.content_hash": ("XAmzContentSHA256Mismatch", 400),
    "s3.digest": ("InvalidDigest", 400),
    "s3.expired": ("AccessDenied", 403),
    "s3.headers_unsigned": ("AccessDenied", 403),
    "s3.key": ("InvalidAccessKeyId", 403),
    "s3.malformed": ("AuthorizationHeaderMalformed", 400),
    "s3.not_offered": ("NotImplemented", 501),
    "s3.presigned": ("AuthorizationQueryParametersError", 400),
    "s3.signature": ("SignatureDoesNotMatch", 403),
    "s3.skewed": ("RequestTimeTooSkewed", 403),
    "s3.unsigned": ("AccessDenied", 403),
    "subresource.lifecycle": ("NoSuchLifecycleConfiguration", 404),
    "subresource.policy": ("NoSuchBucketPolicy", 404),
    "subresource.cors": ("NoSuchCORSConfiguration", 404),
    "subresource.encryption": ("ServerSideEncryptionConfigurationNotFoundError", 404),
    "subresource.tagging": ("NoSuchTagSet", 404),
    "subresource.website": ("NoSuchWebsiteConfiguration", 404),
    "subresource.object_lock": ("ObjectLockConfigurationNotFoundError", 404),
    "subresource.public_access": ("NoSuchPublicAccessBlockConfiguration", 404),
    "upload.absent": ("NoSuchUpload", 404),
    "upload.order": ("InvalidPartOrder", 400),
    "upload.part": ("InvalidPart", 400),
    "upload.small": ("EntityTooSmall", 400),
    "upload.too_many": ("TooManyMultipartUploads", 400),
    "version.absent": ("NoSuchVersion", 404),
    "versioning.elsewhere": ("InvalidBucketState", 409),
    "xml.malformed": ("MalformedXML", 400),
}
"""Our codes -> S3's word, and its status."""
_BY_STATUS = {
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "OperationAborted",
}


def word_of(error: TrivetError) -> tuple[str, int]:
    found = _WORDS.get(error.code)
    if found is not None:
        return found
    if isinstance(error, OverQuota):
        return "QuotaExceeded", 403
    if isinstance(error, Busy):
        return ("InternalError", 500) if error.code == "object.damaged" else ("SlowDown", 503)
    status = 403 if error.http_status == 401 else error.http_status
    return _BY_STATUS.get(status, "InvalidRequest" if status < 500 else "InternalError"), status


def error_text(error: TrivetError, accept: str | None) -> tuple[str, str]:
    word, _ = word_of(error)
    said = f"<Code>{word}</Code><Message>{escape(_printable(error.message))}</Message>"
    return "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{said}</Error>'


def _printable(text: str) -> str:
    """XML has no way to say most control characters."""
    return "".join(char if char.isprintable() else "?" for char in text)


class _S3(Service):
    def status_of(self, error: TrivetError) -> int:
        return word_of(error)[1]


class SignedDoor:
    """Who signs is found by his signature, in the request's own room, since a key has to be looked up."""

    def admit(self, request: Request) -> Caller:
        raise Forbidden("s3.unsigned", "Access Denied", status=401)

    def challenge(self, request: Request) -> str:
        return "AWS4-HMAC-SHA256"


SERVICE = _S3(
    package="trivet.api.s3",
    name="s3",
    types=("s3",),
    prefix="/s3",
    catalog_path="",
    error_body=lambda error, id: {"Code": word_of(error)[0], "RequestId": id},
    error_text=error_text,
    door=SignedDoor(),
    reply_headers=lambda id: [(b"x-amz-request-id", id.encode()), (b"x-openstack-request-id", id.encode())],
)
