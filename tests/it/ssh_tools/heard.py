"""What a server says to a client that logs in by messages of its own: kept, and nothing is done about it."""


class Heard:
    """Stands in the place of paramiko's own handler of logins."""

    def __init__(self):
        self.kinds = []
        self.banner = None
        # SERVICE_ACCEPT, USERAUTH_FAILURE, _SUCCESS, _BANNER, _PK_OK or _INFO_REQUEST (RFC 4250 section 4.1.2).
        self._handler_table = {kind: self.keeps(kind) for kind in (6, 51, 52, 53, 60)}

    def keeps(self, kind):
        return lambda message: self.kinds.append(kind)

    def is_authenticated(self):
        return 52 in self.kinds

    def get_username(self):
        return None

    def abort(self):
        pass
