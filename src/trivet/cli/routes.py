"""trivet routes: the map of the API: what is where, and who may call it."""

import argparse
import json

from trivet.errors import Invalid


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "routes",
        help="list every route and who may call it",
        description="Every route of every service: method, who may call it, since which version, and its path.",
    )
    parser.add_argument("service", nargs="?", help="Only this one: compute, network...")
    parser.add_argument("--handlers", action="store_true", help="Also which function answers.")
    parser.add_argument("--json", action="store_true", help="As JSON.")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from trivet.api.kit import versions  # noqa: PLC0415 - `trivet --help` need not wait for it
    from trivet.process import services  # noqa: PLC0415

    every = services()
    names = {service.package.rpartition(".")[2]: service for service in every}
    wanted = [service for folder, service in names.items() if chosen.service in (None, folder, service.name)]
    if not wanted:
        raise Invalid("routes.service", f"There is no service {chosen.service}; there are {', '.join(sorted(names))}.")
    found = [
        {
            "service": service.name,
            "method": route.method,
            "path": service.prefix + route.path + (f" [{route.action}]" if route.action else ""),
            "may": route.may + (f" ({route.decides})" if route.decides else ""),
            "since": versions.text(route.since) if route.since else "",
            "handler": f"{route.handler.__module__}:{route.handler.__name__}",
        }
        for service in wanted
        for route in service.routes()
    ]
    if chosen.json:
        print(json.dumps(found, indent=2))
        return 0
    for row in found:
        print(f"{row['method']:7} {row['may']:17} {row['since']:6} {row['path']}")
        if chosen.handlers:
            print(f"{'':33}{row['handler']}")
    print(f"{len(found)} routes")
    return 0
