"""trivet completion: what a shell needs to complete our commands and flags, made from the commands themselves."""

import argparse

_SHELLS = ("bash", "zsh", "fish")
_BASH = """\
_trivet() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words
    case $before in
        {folders}) COMPREPLY=($(compgen -d -- "$word")); return ;;
        {files}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    case ${{COMP_WORDS[1]}} in
{cases}
        *) words="{commands} --help --version" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _trivet trivet
"""
_FOLDERS = ("DIR",)
_FILES = ("FILE",)

_Commands = argparse._SubParsersAction


def add(commands: "_Commands[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "completion",
        help="print what completes commands in a shell",
        description="Print what completes trivet's commands and flags in a shell. For bash: "
        "source <(trivet completion bash)",
    )
    parser.add_argument("shell", choices=_SHELLS)
    parser.set_defaults(run=lambda chosen: run(chosen, commands))


def run(chosen: argparse.Namespace, commands: "_Commands[argparse.ArgumentParser]") -> int:
    if chosen.shell == "fish":
        print(_fish(commands), end="")
        return 0
    # zsh reads bash's own way, if it is asked to.
    print("autoload -U +X bashcompinit && bashcompinit\n" if chosen.shell == "zsh" else "", end="")
    print(_bash(commands), end="")
    return 0


def _flags(parser: argparse.ArgumentParser) -> "list[tuple[str, argparse.Action]]":
    return [
        (option, action) for action in parser._actions for option in action.option_strings if option.startswith("--")
    ]


def _bash(commands: "_Commands[argparse.ArgumentParser]") -> str:
    every = [pair for parser in commands.choices.values() for pair in _flags(parser)]
    cases = [
        f'        {name}) words="{" ".join([flag for flag, _ in _flags(parser)] + _words(parser))}" ;;'
        for name, parser in commands.choices.items()
    ]
    return _BASH.format(
        folders="|".join(sorted({flag for flag, action in every if action.metavar in _FOLDERS})),
        files="|".join(sorted({flag for flag, action in every if action.metavar in _FILES})),
        cases="\n".join(cases),
        commands=" ".join(commands.choices),
    )


def _words(parser: argparse.ArgumentParser) -> list[str]:
    return [str(word) for action in parser._actions if not action.option_strings for word in action.choices or ()]


def _fish(commands: "_Commands[argparse.ArgumentParser]") -> str:
    lines = ["complete -c trivet -f"]
    helped = {action.dest: action.help or "" for action in commands._choices_actions}
    for name, parser in commands.choices.items():
        lines.append(f"complete -c trivet -n __fish_use_subcommand -a {name} -d {_quoted(helped[name])}")
        here = f"complete -c trivet -n '__fish_seen_subcommand_from {name}'"
        for flag, action in _flags(parser):
            takes = " -r -F" if action.metavar in (*_FOLDERS, *_FILES) else " -r" if action.nargs != 0 else ""
            lines.append(f"{here} -l {flag[2:]}{takes} -d {_quoted(action.help or '')}")
        if words := _words(parser):
            lines.append(f"{here} -a {_quoted(' '.join(words))}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
