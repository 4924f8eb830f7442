"""The one way in which a driver says no."""


class DriverError(Exception):
    """The engine could not do it. `again` answers the only question a caller has: is it worth retrying?

    `why` is read by tenants (it ends up in a server's fault), so it names what failed and what to do,
    and never a path or a secret of the host.
    """

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.why = why
        self.again = again
