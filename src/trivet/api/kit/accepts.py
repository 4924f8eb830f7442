"""What a client would rather read: the header Accept, held against what can be offered."""

_ITEMS_MAX = 32


def preferred(accept: str | None, offers: tuple[str, ...]) -> str | None:
    """The offer that the client likes best; of those it likes the same, the first. None: it would read none of them."""
    wishes = [_wish(item) for item in (accept or "").split(",")[:_ITEMS_MAX]]
    liked = [(max((quality for name, quality in wishes if _covers(name, offer)), default=0.0)) for offer in offers]
    best = max(liked, default=0.0)
    return offers[liked.index(best)] if best > 0 else None


def _wish(item: str) -> tuple[str, float]:
    """A media range and how much it is liked, of 1."""
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(max(float(parameter[2:8]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _covers(name: str, offer: str) -> bool:
    return name in (offer, "*/*", f"{offer.partition('/')[0]}/*")
