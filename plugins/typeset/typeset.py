"""Makes a PDF of each letter by Typst or WeasyPrint, from a layout in `layouts/`. Standard library only.

One JSON object a line comes in for each mail, one goes out: see docs/reference/plugins.md. Everything is written below the
folder that DUNLIN_FILES names, which is private and vanishes with the run. Nothing is fetched from the network.
"""

import base64
import calendar
import html
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

# A layout's ending, and what sets it.
ENGINES = {".typ": "typst", ".html": "weasyprint"}
SETTINGS = {"layout", "engine", "program", "file"}
# How many letters are set at a time.
WORKERS = max(1, min(4, os.cpu_count() or 1))
# How much of the engine's words a fault repeats, in characters.
WORDS_MAX = 1500
# What `layouts/` may have together, in bytes: it is copied once for a run.
LAYOUTS_BYTES_MAX = 64_000_000
# Where nothing answers: whatever an engine would fetch fails at once instead.
NOWHERE = "http://127.0.0.1:9"

here = pathlib.Path(__file__).resolve().parent
shelf = (here / "layouts").resolve()


class Fault(Exception):
    """Why there is no PDF, in words for whoever reads the mail's reason."""


# --- Templates of HTML: a part of Mustache (mustache.github.io), as strict as Dunlin's own templates.

TAG = re.compile(r"\{\{\s*([#^/!]?)\s*(.*?)\s*\}\}", re.DOTALL)
PATH = re.compile(r"\.|\w+(\.[\w-]+)*")
# Beyond Mustache: a section may ask whether a text is a word, or a number more than another.
QUESTION = re.compile(r"(.*?)\s*([=>])\s*([\w-]+)")


def parse(text, name):
    """Returns the tree of a template: texts, ("", path, line), and ("#" or "^", path, line, question, children)."""
    root = []
    stack = [(root, None, 0)]
    at = 0
    for tag in TAG.finditer(text):
        stack[-1][0].append(text[at : tag.start()])
        at = tag.end()
        line = text.count("\n", 0, tag.start()) + 1
        kind, path = tag.groups()
        if kind == "!":
            continue
        asked = QUESTION.fullmatch(path) if kind else None
        path = asked.group(1) if asked else path
        if not PATH.fullmatch(path):
            raise Fault(f"{name}:{line}: `{tag.group(0)}` is no gap: write {{{{name}}}}, {{{{#name}}}}, {{{{^name}}}} or {{{{/name}}}}")
        if kind in ("#", "^"):
            children = []
            stack[-1][0].append((kind, path, line, asked and asked.groups()[1:], children))
            stack.append((children, path, line))
        elif kind == "/":
            opened = stack.pop()[1] if len(stack) > 1 else None
            if opened != path:
                ends = f"where `{opened}` has to be ended" if opened else "and ends nothing"
                raise Fault(f"{name}:{line}: `{{{{/{path}}}}}` stands {ends}")
        else:
            stack[-1][0].append(("", path, line))
    if len(stack) > 1:
        raise Fault(f"{name}:{stack[-1][2]}: `{{{{#{stack[-1][1]}}}}}` is never ended")
    root.append(text[at:])
    return root


def look_up(path, scopes):
    """Returns the value of a path, its first name looked for from the innermost section outwards; None where it is not there."""
    if path == ".":
        return scopes[-1]
    first, *rest = path.split(".")
    value = next((scope[first] for scope in reversed(scopes) if isinstance(scope, dict) and first in scope), None)
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def is_there(value):
    """Returns what a section asks: an amount of zero, an empty text and an empty list are not there."""
    return bool(value) and not (isinstance(value, dict) and value.get("is_zero"))


def is_so(value, sign, word):
    """Returns the answer to a section's question about a value."""
    if sign == "=":
        return str(value) == word
    return isinstance(value, int) and re.fullmatch(r"-?\d+", word) is not None and value > int(word)


def printed(value):
    """Returns a value as it is printed; None where there is nothing to print."""
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        return None
    return str(value)


def fill(tree, scopes, name, escape):
    """Fills a template. A gap with nothing in it is a fault, since no letter goes out with an empty place."""
    parts = []
    for node in tree:
        if isinstance(node, str):
            parts.append(node)
            continue
        kind, path, line = node[:3]
        value = look_up(path, scopes)
        if not kind:
            text = printed(value)
            if text is None:
                raise Fault(f"{name}:{line}: `{path}` has nothing to print here; ask for it with {{{{#{path}}}}}…{{{{/{path}}}}}")
            parts.append(escape(text))
            continue
        question, children = node[3:]
        if question:
            value = is_so(value, *question)
        if kind == "^":
            scopes_within = [] if is_there(value) else [scopes]
        elif isinstance(value, list):
            scopes_within = [scopes + [member] for member in value]
        else:
            scopes_within = [scopes + [value]] if is_there(value) else []
        parts.extend(fill(children, within, name, escape) for within in scopes_within)
    return "".join(parts)


# --- What a rule says, and where things lie.


def layout_of(settings):
    """Returns the layout's path in `layouts/` and the engine that sets it."""
    unknown = sorted(set(settings) - SETTINGS)
    if unknown:
        raise Fault(f"`{unknown[0]}` is no setting; there are " + ", ".join(sorted(SETTINGS)))
    for name, value in settings.items():
        if not isinstance(value, str) or not value:
            raise Fault(f"The setting `{name}` is no text")
    layout = settings.get("layout")
    if not layout:
        raise Fault("The rule names no layout; write `{ plugin: typeset, settings: { layout: letter.typ } }`")
    path = (shelf / layout).resolve()
    if shelf not in path.parents:
        raise Fault(f"The layout `{layout}` does not lie in plugins/{here.name}/layouts")
    if not path.is_file():
        known = sorted(str(file.relative_to(shelf)) for file in shelf.rglob("*") if file.suffix in ENGINES)
        raise Fault(f"There is no layout plugins/{here.name}/layouts/{layout}; there are " + (", ".join(known) or "none"))
    of_ending = ENGINES.get(path.suffix)
    engine = settings.get("engine", of_ending)
    if engine not in ENGINES.values():
        raise Fault(f"`{engine}` is no engine; write typst or weasyprint" if engine else f"`{layout}` ends neither in .typ nor in .html")
    if engine != of_ending:
        ending = next(ending for ending, name in ENGINES.items() if name == engine)
        raise Fault(f"{engine} sets layouts that end in {ending}, and `{layout}` does not")
    return path.relative_to(shelf), engine


def file_name(settings, layout, values):
    """Returns what the PDF is called; what a file's name cannot hold becomes `-`."""
    word = "file" if values.get("statement") else "file_reminder"
    usual = "{{words.%s}} {{as_of.iso}}" % word if values["words"].get(word) else layout.stem + " {{as_of.iso}}"
    pattern = settings.get("file", usual)
    written = fill(parse(pattern, "the setting `file`"), [values], "the setting `file`", str)
    name = "".join(c if c.isalnum() or c in " -_.,()+" else "-" for c in written).strip(" .-")
    stem = name[:-4] if name.lower().endswith(".pdf") else name
    return (stem[:100].rstrip(" .-") or layout.stem) + ".pdf"


def words_of(folder, language):
    """Returns the words of words.json beside the layout in the mail's language, else in the first that it has."""
    path = folder / "words.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return table.get(language) or table.get(language.split("-")[0]) or next(iter(table.values()))
    except (ValueError, AttributeError, StopIteration) as error:
        raise Fault(f"words.json is no table of languages: {error}") from None


def copy_layouts(to):
    """Copies `layouts/`, so that all letters of a run are set from the same files."""
    files = [path for path in shelf.rglob("*") if path.is_file()]
    if sum(path.stat().st_size for path in files) > LAYOUTS_BYTES_MAX:
        raise Fault(f"The files in layouts/ have more than {LAYOUTS_BYTES_MAX} bytes")
    shutil.copytree(shelf, to)


# --- Running an engine.

running = set()
running_lock = threading.Lock()


def run(command, environment, folder):
    """Runs an engine to its end. Returns its exit code and what it said."""
    with running_lock:
        try:
            child = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise Fault(f"`{command[0]}` cannot be started: {error.strerror}; install it where Dunlin runs, or name it with `program`") from None
        running.add(child)
    try:
        said = child.communicate()[0]
    finally:
        with running_lock:
            running.discard(child)
    return child.returncode, said.decode("utf-8", "replace").strip()


def end(*_):
    """Ends with all that was started."""
    for child in list(running):
        child.kill()
    os._exit(1)


def excerpt(said):
    """Returns what an engine said as one line, for a mail's reason is one."""
    line = "; ".join(line.strip() for line in said.splitlines() if line.strip())
    return line if len(line) <= WORDS_MAX else line[:WORDS_MAX] + "…"


def set_letter(request, root, number):
    """Returns the name and the bytes of a letter's PDF."""
    settings, values = request.get("settings") or {}, dict(request.get("letter") or {})
    layout, engine = layout_of(settings)
    layouts = root / "layouts"
    if not values.get("as_of"):
        raise Fault("The letter has no values; this plugin needs a Dunlin that tells them")
    values["words"] = words_of((layouts / layout).parent, values.get("language") or "")
    own = root / f"letter-{number}"
    own.mkdir()
    try:
        shown = {"typst": lambda path: "/" + path.relative_to(root).as_posix(), "weasyprint": pathlib.Path.as_uri}[engine]
        add_pictures(values, (layouts / layout).parent, own, shown)
        name = file_name(settings, layout, values)
        made = own / "letter.pdf"
        environment = surroundings(root, values["as_of"]["iso"])
        main = f"layouts/{layout.as_posix()}"
        if engine == "typst":
            (own / "letter.json").write_text(json.dumps(values), encoding="utf-8")
            command = [
                settings.get("program", "typst"), "compile", "--root", ".", "--font-path", "layouts", "--ignore-system-fonts",
                "--creation-timestamp", environment["SOURCE_DATE_EPOCH"], "--diagnostic-format", "short",
                "--input", f"data=/{own.name}/letter.json", main, f"{own.name}/letter.pdf",
            ]
        else:
            tree = parse((layouts / layout).read_text(encoding="utf-8"), main)
            (own / "letter.html").write_text(fill(tree, [values], main, html.escape), encoding="utf-8")
            base = (layouts / layout).as_uri()
            command = [settings.get("program", "weasyprint"), "--base-url", base, f"{own.name}/letter.html", f"{own.name}/letter.pdf"]
        code, said = run(command, environment, root)
        said = said.replace(root.as_uri() + "/", "").replace(f"{root}/", "")
        if code != 0:
            raise Fault(f"{engine} made no PDF of {main} (exit code {code}): {excerpt(said)}")
        # WeasyPrint goes on without a picture or font that it cannot load; a letter must not.
        faults = [line for line in said.splitlines() if line.startswith("ERROR")]
        if faults:
            raise Fault(f"{engine} could not make all of {main}: " + excerpt("\n".join(faults)))
        contents = made.read_bytes() if made.is_file() else b""
        if not contents.startswith(b"%PDF-") or b"%%EOF" not in contents[-1024:]:
            raise Fault(f"{engine} said that all is well, but left no whole PDF")
        return name, contents
    finally:
        shutil.rmtree(own, ignore_errors=True)


def add_pictures(values, folder, own, shown):
    """Says where the pictures lie: the logo beside the layout, and the payment code."""
    logos = (folder / f"logo.{ending}" for ending in ("svg", "png", "jpg"))
    logo = next((path for path in logos if path.is_file()), None)
    if logo:
        values["logo"] = shown(logo)
    code = values.get("payment_code")
    if code:
        picture = own / "payment-code.png"
        picture.write_bytes(base64.b64decode(code["base64"]))
        values["payment_code"] = {"text": code["text"], "alt": code["alt"], "file": shown(picture)}


def surroundings(root, day):
    """Returns the environment of an engine: the letter's day is its date, so that the same letter gives the same bytes."""
    seconds = calendar.timegm(time.strptime(day, "%Y-%m-%d"))
    proxies = {name: NOWHERE for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ftp_proxy")}
    home = str(root / "home")
    return {**os.environ, **proxies, "SOURCE_DATE_EPOCH": str(seconds), "HOME": os.environ.get("HOME", home), "XDG_CACHE_HOME": home}


# --- The conversation.

reading, writing = threading.Lock(), threading.Lock()


def answer(line, root, number):
    request = json.loads(line)
    try:
        name, contents = set_letter(request, root, number)
        files = [{"name": name, "content_type": "application/pdf", "base64": base64.b64encode(contents).decode()}]
        return {"id": request["id"], "files": files}
    except Fault as fault:
        return {"id": request["id"], "error": str(fault)}
    except Exception as error:  # Whatever else it is concerns this one letter.
        return {"id": request["id"], "error": f"The letter cannot be set: {type(error).__name__}: {error}"}


def work(root, numbers):
    """Answers lines until there are none: one in memory for each worker, and the others wait with the asker."""
    while True:
        with reading:
            line = sys.stdin.buffer.readline()
            number = next(numbers)
        if not line:
            return
        given = json.dumps(answer(line, root, number))
        with writing:
            print(given, flush=True)


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    root = os.environ.get("DUNLIN_FILES")
    if not root:
        return "DUNLIN_FILES names no folder; Dunlin starts this program"
    root = pathlib.Path(root).resolve()
    (root / "home").mkdir()
    try:
        copy_layouts(root / "layouts")
    except (Fault, OSError) as fault:
        return f"The layouts cannot be taken up: {fault}"
    numbers = iter(range(1, sys.maxsize))
    workers = [threading.Thread(target=work, args=(root, numbers), daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return None


if __name__ == "__main__":
    sys.exit(main())
