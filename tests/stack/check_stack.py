#!/usr/bin/env python3
"""Checks the container stack as far as that is possible without a container engine.

    check_stack.py check       exit 1 and one line per finding
    check_stack.py self-test   plants faults in a copy and demands that `check` finds each
    check_stack.py sql         every dashboard query with its macros and variables expanded, as JSON
    check_stack.py panels      runs every panel and alert rule on a server and compares with tests/stack/recounts.py

Limits: images are not pulled, so a tag that does not exist is not noticed, and nothing here is started.
"""

import argparse
import json
import math
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import jsonschema
import yaml

from recounts import RECOUNTS, RULES

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

# Services that end when their work is done.
ONE_SHOTS = {"topics"}
# Data sources that Grafana brings along.
BUILT_IN_SOURCES = {"prometheus"}
LEVELS = {"info", "warning", "critical", "emergency"}
# Functions of the ClickHouse data source that a panel may use (its own list is longer; `expand` must know each).
MACRO = re.compile(r"\$__(\w+)(?:\(([^()]*)\))?")
# What stands for the variables of the dashboards, unless told; `zone` is one of a half hour, which hours cannot serve.
CHOSEN = {"currency": "USD", "scope": "total", "zone": "Asia/Kolkata", "budget": "planted-monthly"}
VARIABLE = re.compile(r"(?<!\$)\$(?:\{([^}]*)\}|([A-Za-z_]\w*))")


class Findings:
    """What is wrong, in the order it was found."""

    def __init__(self):
        self.lines = []

    def add(self, where, text):
        self.lines.append(f"{where}: {text}")

    def demand(self, condition, where, text):
        if not condition:
            self.add(where, text)
        return bool(condition)


# ------------------------------------------------------------------------------------------------- compose


def substituted(text):
    """The compose file with every ${NAME:-default} replaced by its default."""
    return VARIABLE.sub(lambda match: (match[1] or "").partition(":-")[2], text)


def check_compose(root, findings):
    where = "docker-compose.yml"
    text = (root / where).read_text()
    stripped = re.sub(r"(?m)^\s*#.*$", "", text)
    for match in VARIABLE.finditer(stripped):
        inside = match[1] or match[2]
        name, colon, default = inside.partition(":-")
        if findings.demand(colon and default, where, f"variable {name} has no default (${{{name}:-default}})"):
            documented = re.search(rf"(?m)^#.*\b{name}=(\S+)", text)
            if findings.demand(documented, where, f"variable {name} is not in the comment at the top"):
                findings.demand(documented[1] == default, where, f"variable {name}: the comment says {documented[1]}, the default is {default}")

    compose = yaml.safe_load(substituted(text))
    schema = json.loads((HERE / "compose-spec.json").read_text())
    for error in jsonschema.Draft7Validator(schema).iter_errors(compose):
        findings.add(where, f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")

    services = compose.get("services") or {}
    volumes = compose.get("volumes") or {}
    used_volumes = set()
    host_ports = {}
    for name, service in services.items():
        at = f"{where}: {name}"
        check_image(at, service, findings)
        check_ports(at, service, host_ports, findings)
        check_volumes(root, at, service, volumes, used_volumes, findings)
        check_life(at, name, service, services, findings)
        check_service_variables(root, at, service, findings)
    for volume in set(volumes) - used_volumes:
        findings.add(where, f"volume {volume} is used by no service")
    return compose


def check_image(at, service, findings):
    image = service.get("image", "")
    findings.demand(is_pinned(image), at, f"image '{image}' is not pinned to a version")
    context = (service.get("build") or {}).get("context") if isinstance(service.get("build"), dict) else service.get("build")
    findings.demand(context in (None, "."), at, f"build context '{context}' is not the project")


def is_pinned(image):
    """A tag with at least two numbers, a dated or numbered release, or a digest. `12` or `latest` move."""
    if "@sha256:" in image:
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return re.search(r"\d+\.\d+", tag) is not None


def check_ports(at, service, host_ports, findings):
    for port in service.get("ports", []):
        match = re.fullmatch(r"([\d.]+):(\d+):(\d+)", str(port))
        if not findings.demand(match, at, f"port '{port}' is not ADDRESS:HOST:CONTAINER"):
            continue
        findings.demand(match[1] == "127.0.0.1", at, f"port {port} is open to others than this machine")
        other = host_ports.setdefault(match[2], at)
        findings.demand(other == at, at, f"port {match[2]} of the host is also that of {other}")


def check_volumes(root, at, service, volumes, used_volumes, findings):
    for volume in service.get("volumes", []):
        source, _, target = str(volume).partition(":")
        if source.startswith("."):
            findings.demand((root / source).exists(), at, f"mounts {source}, which does not exist")
            findings.demand(target.endswith(":ro"), at, f"mounts {source} of the project writable")
        else:
            used_volumes.add(source)
            findings.demand(source in volumes, at, f"volume {source} is not declared")


def check_life(at, name, service, services, findings):
    if name in ONE_SHOTS:
        findings.demand(service.get("restart") == "no", at, "a one-shot must not restart")
    else:
        findings.demand((service.get("healthcheck") or {}).get("test"), at, "no healthcheck, and it is no one-shot")
        findings.demand(service.get("restart") == "unless-stopped", at, "does not come back after a crash (restart)")
    for other, how in (service.get("depends_on") or {}).items():
        if not findings.demand(other in services, at, f"depends on {other}, which does not exist"):
            continue
        wanted = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        findings.demand(how.get("condition") == wanted, at, f"waits for {other} with {how.get('condition')}, not {wanted}")


def check_service_variables(root, at, service, findings):
    """COST_RHYTHM__SECTION__KEY must name a key of the configuration, or be the secret beside a `..._file` key."""
    defaults = tomllib.loads((root / "cost-rhythm.toml").read_text())
    for name in service.get("environment") or {}:
        if not name.startswith("COST_RHYTHM__"):
            continue
        section, _, key = name.removeprefix("COST_RHYTHM__").lower().partition("__")
        keys = defaults.get(section, {})
        findings.demand(key in keys or f"{key}_file" in keys, at, f"{name} names no key of cost-rhythm.toml")


def check_stack_agrees(root, compose, findings):
    """What two files must say alike."""
    services = compose.get("services") or {}
    config = tomllib.loads((root / "docker/cost-rhythm.toml").read_text())
    defaults = tomllib.loads((root / "cost-rhythm.toml").read_text())
    where = "docker/cost-rhythm.toml"
    for section, keys in config.items():
        for key, value in keys.items():
            default = defaults.get(section, {}).get(key)
            if findings.demand(default is not None, where, f"{section}.{key} is no key of cost-rhythm.toml"):
                findings.demand(type(value) is type(default), where, f"{section}.{key} has another type than in cost-rhythm.toml")
    for file in config["prices"]["books"] + config["prices"]["rates"] + config["budgets"]["files"]:
        findings.demand((root / file).is_file(), where, f"{file} does not exist")

    hosts = {
        "kafka.brokers": config["kafka"]["brokers"],
        "registry.url": config["registry"]["url"],
        "clickhouse.url": config["clickhouse"]["url"],
    }
    for key, address in hosts.items():
        host = re.sub(r"^\w+://", "", address).partition(":")[0]
        findings.demand(host in services, where, f"{key} is {address}: there is no service {host}")

    clickhouse = services.get("clickhouse", {}).get("environment") or {}
    findings.demand(config["clickhouse"]["username"] == clickhouse.get("CLICKHOUSE_USER"), where, "clickhouse.username is not CLICKHOUSE_USER of docker-compose.yml")
    findings.demand(config["clickhouse"]["database"] == clickhouse.get("CLICKHOUSE_DB"), where, "clickhouse.database is not CLICKHOUSE_DB of docker-compose.yml")
    main = services.get("cost-rhythm", {})
    findings.demand(seconds(main.get("stop_grace_period", "10s")) > seconds(config["run"]["shutdown_grace"]), where, "run.shutdown_grace is not below stop_grace_period of docker-compose.yml")
    listen_port = config["http"]["listen"].rpartition(":")[2]
    findings.demand(any(str(port).endswith(f":{listen_port}") for port in main.get("ports", [])), where, f"http.listen: port {listen_port} is not published")
    secrets = [key for keys in config.values() for key in keys if key == "password"]
    findings.demand(not secrets, where, "a password stands in the file")


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


# ------------------------------------------------------------------------------------------------- topics


def listed_topics(root):
    """docker/topics.conf as {name: {"partitions": "many" or a number, setting: value}}."""
    lines = [line.split() for line in (root / TOPICS).read_text().splitlines()]
    return {
        words[0]: {"partitions": words[1], **dict(word.split("=", 1) for word in words[2:])}
        for words in lines if words and not words[0].startswith("#")
    }


def check_topics(root, findings):
    """Runs the script with `echo` for a Kafka and compares what it would have created with the one list of topics."""
    where = "docker/create-topics.sh"
    done = subprocess.run(
        ["sh", str(root / where)],
        env={"PATH": os.environ["PATH"], "KAFKA_BROKERS": "broker:1", "KAFKA_TOPICS_COMMAND": "echo"},
        capture_output=True, text=True, timeout=20, check=False,
    )
    if not findings.demand(done.returncode == 0, where, f"fails: {done.stderr.strip()}"):
        return
    topics = {}
    for line in done.stdout.splitlines():
        words = line.split()
        pairs = [word for previous, word in zip(words, words[1:]) if previous == "--config"]
        topics[words[words.index("--topic") + 1]] = {
            "partitions": int(words[words.index("--partitions") + 1]),
            **dict(pair.split("=", 1) for pair in pairs),
        }
    listed = listed_topics(root)
    for settings in listed.values():
        settings["partitions"] = 6 if settings["partitions"] == "many" else int(settings["partitions"])
    findings.demand(topics == listed, where, f"creates {topics}, {TOPICS} lists {listed}")
    program = (root / "src/service/topics.rs").read_text()
    findings.demand(f'include_str!("../../{TOPICS}")' in program, "src/service/topics.rs", f"is not built with {TOPICS}")
    default = re.search(r"USAGE_EVENTS_RETENTION_MS:-(\d+)", (root / "docker-compose.yml").read_text())
    kept = listed.get("usage-events", {}).get("retention.ms")
    findings.demand(default and default[1] == kept, "docker-compose.yml", f"USAGE_EVENTS_RETENTION_MS is not the {kept} of {TOPICS}")
    where = TOPICS
    kafka = tomllib.loads((root / "cost-rhythm.toml").read_text())["kafka"]
    names = {kafka[key] for key in kafka if key.endswith("_topic")}
    findings.demand(set(topics) == names, where, f"creates {sorted(topics)}, cost-rhythm.toml names {sorted(names)}")
    for name, settings in topics.items():
        findings.demand(settings.get("message.timestamp.type") == "LogAppendTime", where, f"{name} is not LogAppendTime")
        findings.demand(settings.get("cleanup.policy") == "delete", where, f"{name} may be compacted")
    size = {name: int(topics.get(name, {}).get("max.message.bytes", 0)) for name in names}
    room = size[kafka["dead_letters_topic"]] - size[kafka["events_topic"]]
    findings.demand(room >= 65536, where, f"a dead letter has {room} bytes more than its input, 65536 are needed")


# ------------------------------------------------------------------------------------------------- image


def dockerfile_instructions(text):
    text = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ")
    return [(line.split()[0].upper(), line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def ignored(root, path):
    """Whether .dockerignore keeps a path out of the build context (the subset of its language that the file uses)."""
    for line in (root / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        parts = path.split("/")
        if pattern.startswith("**/"):
            if any(pathlib.PurePath(part).match(pattern[3:]) for part in parts):
                return True
        elif any(pathlib.PurePath("/".join(parts[:end])).match(pattern) and pattern.count("/") == end - 1 for end in range(1, len(parts) + 1)):
            return True
    return False


def check_dockerfile(root, findings):
    where = "Dockerfile"
    instructions = dockerfile_instructions((root / where).read_text())
    stages = set()
    final = {}
    for name, rest in instructions:
        if name == "FROM":
            words = rest.split()
            findings.demand(words[0] in stages or is_pinned(words[0]) or re.search(r":[a-z]+-slim$", words[0]), where, f"FROM {words[0]} is not pinned")
            final = {}
            if len(words) == 3:
                stages.add(words[2])
        final[name] = rest
        if name in ("COPY", "ADD"):
            words = rest.split()
            stage = [word for word in words if word.startswith("--from=")]
            if stage:
                findings.demand(stage[0].removeprefix("--from=") in stages, where, f"COPY {rest}: no such stage")
                continue
            for source in [word for word in words if not word.startswith("--")][:-1]:
                findings.demand((root / source).exists(), where, f"copies {source}, which does not exist")
                findings.demand(not ignored(root, source), where, f"copies {source}, which .dockerignore keeps out")
    builds = [rest for name, rest in instructions if name == "RUN" and "cargo build" in rest]
    findings.demand(builds and all("--locked" in build and "--release" in build for build in builds), where, "does not build with --release --locked")
    findings.demand(not re.match(r"(root|0)(:|$)", final.get("USER", "root")), where, "runs as root")
    for needed in ("HEALTHCHECK", "ENTRYPOINT", "CMD"):
        findings.demand(needed in final, where, f"no {needed}")
    check_build_context(root, findings)


def check_build_context(root, findings):
    """Everything that cargo reads must be in the context: the crates, the lock file, and what the code includes."""
    where = ".dockerignore"
    workspace = tomllib.loads((root / "Cargo.toml").read_text())
    needed = ["Cargo.toml", "Cargo.lock", "src/main.rs"]
    needed += [f"{member}/Cargo.toml" for member in workspace["workspace"]["members"]]
    include = re.compile(r'include_(?:str|bytes)!\(\s*"([^"]+)"')
    for crate in [".", *workspace["workspace"]["members"]]:
        for source in (root / crate / "src").rglob("*.rs"):
            for file in include.findall(source.read_text()):
                needed.append(os.path.relpath((source.parent / file).resolve(), root.resolve()))
    for path in needed:
        findings.demand(not ignored(root, path), where, f"keeps out {path}, which the build needs")
    for secret in (".git", ".env", "target"):
        findings.demand(ignored(root, secret), where, f"lets {secret} into the build context")


# ------------------------------------------------------------------------------------------------- grafana


def dashboards(root):
    return sorted([*(root / "grafana/dashboards").glob("*.json"), *(root / "grafana/operations").glob("*.json")])


def panels(dashboard):
    return [panel for panel in dashboard.get("panels", []) if panel.get("type") != "row"]


def alert_rules(root):
    for file in sorted((root / "grafana/provisioning/alerting").glob("*.yml")):
        for group in yaml.safe_load(file.read_text()).get("groups", []):
            yield from ((str(file.relative_to(root)), group, rule) for rule in group["rules"])


def check_grafana(root, compose, findings):
    environment = compose["services"]["grafana"].get("environment") or {}
    mounts = dict(reversed(str(volume).removesuffix(":ro").split(":")) for volume in compose["services"]["grafana"].get("volumes", []))
    sources = {}
    for file in sorted((root / "grafana/provisioning/datasources").glob("*.yml")):
        text = file.read_text()
        where = str(file.relative_to(root))
        for match in VARIABLE.finditer(re.sub(r"(?m)^\s*#.*$", "", text)):
            name = match[1] or match[2]
            findings.demand(name in environment, where, f"uses {name}, which docker-compose.yml does not give to Grafana")
        for source in yaml.safe_load(text)["datasources"]:
            sources[source.get("uid")] = source["type"]
            if source["type"] in BUILT_IN_SOURCES:
                continue
            plugins = environment.get("GF_PLUGINS_PREINSTALL_SYNC", "")
            findings.demand(re.search(rf"(^|,){re.escape(source['type'])}@\d+\.\d+\.\d+(,|$)", plugins), where, f"{source['type']} is not installed in a pinned version (GF_PLUGINS_PREINSTALL_SYNC)")
    for file in sorted((root / "grafana/provisioning/dashboards").glob("*.yml")):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            path = provider["options"]["path"]
            findings.demand((root / mounts.get(path, "missing")).is_dir(), str(file.relative_to(root)), f"{path} is no mounted directory of the project")
    home = environment.get("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")
    if home:
        directory, _, name = home.rpartition("/")
        findings.demand((root / mounts.get(directory, "missing") / name).is_file(), "docker-compose.yml: grafana", f"home dashboard {home} does not exist")
    check_clickhouse_users(root, compose, findings)
    check_prometheus(root, compose, sources, findings)
    check_rules(root, environment, sources, findings)
    for name, content in runpy.run_path(str(root / "grafana/build.py"))["files"]():
        file = root / "grafana" / name
        findings.demand(file.is_file() and file.read_text() == content, f"grafana/{name}", "is not what grafana/build.py writes")

    uids = {}
    findings.demand(dashboards(root), "grafana/dashboards", "no dashboard")
    for file in dashboards(root):
        where = str(file.relative_to(root))
        dashboard = json.loads(file.read_text())
        findings.demand(dashboard.get("uid") and dashboard.get("title"), where, "no uid or no title")
        findings.demand(uids.setdefault(dashboard.get("uid"), where) == where, where, f"has the uid of {uids.get(dashboard.get('uid'))}")
        check_panels(where, dashboard, sources, findings)


def check_clickhouse_users(root, compose, findings):
    """The data source's user is one that ClickHouse is told about, and no reader may write or ask without end."""
    files = sorted((root / "docker/clickhouse").glob("*.xml"))
    mounted = " ".join(map(str, compose["services"]["clickhouse"].get("volumes", [])))
    environment = compose["services"]["clickhouse"].get("environment") or {}
    users, profiles, quotas = {}, {}, {}
    for file in files:
        where = str(file.relative_to(root))
        findings.demand(f"./{where}:/etc/clickhouse-server/users.d/{file.name}:ro" in mounted, where, "is not mounted into users.d of the service clickhouse")
        try:
            tree = xml.etree.ElementTree.fromstring(file.read_text())
        except xml.etree.ElementTree.ParseError as error:
            findings.add(where, f"is no XML: {error}")
            continue
        for kind, found in (("users", users), ("profiles", profiles), ("quotas", quotas)):
            found.update({element.tag: (where, element) for element in tree.findall(f"./{kind}/*")})
    for file in (root / "grafana/provisioning/datasources").glob("*.yml"):
        for source in yaml.safe_load(file.read_text())["datasources"]:
            user = source["jsonData"].get("username")
            findings.demand(user is None or user in users, "docker/clickhouse", f"does not define the data source's user {user}")
    for name, (where, user) in users.items():
        at = f"{where}: user {name}"
        password = user.find("password")
        secret = password.get("from_env") if password is not None else None
        findings.demand(secret and secret in environment, at, "has no password from a variable that docker-compose.yml sets")
        profile = profiles.get(user.findtext("profile", ""), (None, None))[1]
        if findings.demand(profile is not None, at, f"profile {user.findtext('profile')} is not there"):
            findings.demand(profile.findtext("readonly") in ("1", "2"), at, "may write (readonly)")
            for limit in ("max_execution_time", "max_memory_usage"):
                findings.demand(int(profile.findtext(limit, "0")) > 0, at, f"has no {limit}")
                findings.demand(profile.findtext(f"constraints/{limit}/max") == profile.findtext(limit), at, f"may raise {limit} (constraints)")
        quota = quotas.get(user.findtext("quota", ""), (None, None))[1]
        if findings.demand(quota is not None, at, f"quota {user.findtext('quota')} is not there"):
            for limit in ("duration", "queries", "execution_time"):
                findings.demand(int(quota.findtext(f"interval/{limit}", "0")) > 0, at, f"its quota has no {limit}")
        grants = [grant.text for grant in user.findall("grants/query")]
        findings.demand(grants and all(re.fullmatch(r"GRANT SELECT ON cost_rhythm\.\*", grant) for grant in grants), at, f"is granted more than SELECT on cost_rhythm: {grants}")


def check_prometheus(root, compose, sources, findings):
    """Grafana's Prometheus exists, scrapes the service, and every metric that a panel asks for is documented."""
    where = "docker/prometheus/prometheus.yml"
    services = compose["services"]
    config = yaml.safe_load((root / where).read_text())
    targets = [target for job in config["scrape_configs"] for static in job["static_configs"] for target in static["targets"]]
    for manager in config["alerting"]["alertmanagers"]:
        for target in (target for static in manager["static_configs"] for target in static["targets"]):
            findings.demand(target.partition(":")[0] in services, where, f"alerts go to {target}: there is no such service")
    for file in config["rule_files"]:
        findings.demand((root / "docker/prometheus" / file).is_file(), where, f"rule file {file} does not exist")
    listen = tomllib.loads((root / "docker/cost-rhythm.toml").read_text())["http"]["listen"].rpartition(":")[2]
    findings.demand(f"cost-rhythm:{listen}" in targets, where, f"does not scrape cost-rhythm:{listen}")
    for file in (root / "grafana/provisioning/datasources").glob("*.yml"):
        for source in yaml.safe_load(file.read_text())["datasources"]:
            if source["type"] == "prometheus":
                host = re.sub(r"^\w+://", "", source["url"]).partition(":")[0]
                findings.demand(host in services, str(file.relative_to(root)), f"url {source['url']}: there is no service {host}")
    documented = set(re.findall(r"`((?:cost_rhythm|llm|budget)_\w+)`", (root / "docs/OPERATIONS.md").read_text()))
    check_prometheus_rules(root, documented, findings)
    for file in dashboards(root):
        for panel in panels(json.loads(file.read_text())):
            for target in panel.get("targets", []):
                for metric in re.findall(r"\bcost_rhythm_\w+", target.get("expr", "")):
                    name = re.sub(r"_(bucket|sum|count)$", "", metric)
                    findings.demand({name, metric} & documented, f"{file.relative_to(root)}: panel '{panel['title']}'", f"metric {metric} is not in docs/OPERATIONS.md")


def check_prometheus_rules(root, documented, findings):
    """Every rule of Prometheus asks for metrics that are documented, or for what another rule records; alerts have a level and words."""
    files = [root / "docker/prometheus" / name for name in ("recording.yml", "alerts.yml")]
    rules = [(str(file.relative_to(root)), rule) for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for _, rule in rules if "record" in rule}
    for where, rule in rules:
        name = rule.get("record") or rule["alert"]
        for metric in re.findall(r"\b(?:[\w]+:)+\w+|\b(?:cost_rhythm|llm|budget)_\w+", rule["expr"]):
            plain = re.sub(r"_(bucket|sum|count)$", "", metric)
            findings.demand({plain, metric} & (documented | recorded), where, f"{name}: metric {metric} is neither recorded nor in docs/OPERATIONS.md")
        if "alert" in rule:
            findings.demand(rule["labels"].get("level") in ("warning", "critical", "emergency"), where, f"{name}: has no level")
            findings.demand(rule["annotations"].get("summary"), where, f"{name}: has no summary")


def check_rules(root, environment, sources, findings):
    receivers, policies, uids = set(), [], set()
    for file in sorted((root / "grafana/provisioning/alerting").glob("*.yml")):
        where, text = str(file.relative_to(root)), file.read_text()
        document = yaml.safe_load(text)
        receivers |= {point["name"] for point in document.get("contactPoints", []) if point.get("receivers")}
        policies += [(where, policy["receiver"]) for policy in document.get("policies", [])]
        for name in re.findall(r"\$\{(\w+)\}", text):
            findings.demand(name in environment, where, f"uses {name}, which docker-compose.yml does not give to Grafana")
    findings.demand(policies, "grafana/provisioning/alerting", "no notification policy")
    for where, receiver in policies:
        findings.demand(receiver in receivers, where, f"the policy's receiver {receiver} is no contact point")
    shown = {(d["uid"], panel["id"]) for d in (json.loads(file.read_text()) for file in dashboards(root)) for panel in panels(d)}
    folders = {provider["folder"] for file in (root / "grafana/provisioning/dashboards").glob("*.yml") for provider in yaml.safe_load(file.read_text())["providers"]}
    for where, group, rule in alert_rules(root):
        at = f"{where}: rule {rule.get('uid')}"
        findings.demand(rule["uid"] not in uids and len(rule["uid"]) <= 40, at, "its uid is taken or too long")
        uids.add(rule["uid"])
        findings.demand(group["folder"] in folders, at, f"folder {group['folder']} has no dashboards")
        findings.demand((rule.get("dashboardUid"), rule.get("panelId")) in shown, at, "its panel does not exist")
        findings.demand((rule.get("annotations") or {}).get("summary") and (rule.get("labels") or {}).get("level") in LEVELS, at, "no summary, or no level")
        findings.demand(rule["uid"] in RULES, at, "tests/stack/recounts.py has no recount of it")
        known = set()
        for step in rule["data"]:
            source, model = step["datasourceUid"], step["model"]
            findings.demand(model["refId"] == step["refId"], at, f"step {step['refId']} has another refId in its model")
            if source == "__expr__":
                asked = re.findall(r"\bFROM (\w+)", model["expression"]) or [model["expression"]]
                findings.demand(set(asked) <= known, at, f"step {step['refId']} asks {asked}, which is not before it")
            elif findings.demand(source in sources, at, f"data source {source} is not provisioned"):
                check_query(at, model, findings)
            known.add(step["refId"])
        findings.demand(rule["condition"] in known, at, f"condition {rule['condition']} is no step")
    findings.demand(uids, "grafana/provisioning/alerting", "no alert rule")
    findings.demand(set(RULES) <= uids, "tests/stack/recounts.py", f"recounts of rules that do not exist: {sorted(set(RULES) - uids)}")


def check_panels(where, dashboard, sources, findings):
    ids = set()
    taken = {}
    recounts = RECOUNTS.get(pathlib.Path(where).stem, {})
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for variable in dashboard["templating"]["list"]:
        at = f"{where}: variable {variable['name']}"
        findings.demand(variable.get("label") and variable.get("description"), at, "no label or no description")
        findings.demand(variable["name"] in CHOSEN, at, "is not known to check_stack.py")
        findings.demand((variable.get("current") or {}).get("value"), at, "has no value to begin with")
        if variable["type"] == "query":
            check_query(at, {"rawSql": variable["query"]}, findings)
        findings.demand(re.search(rf"\$\{{{variable['name']}[:}}]", json.dumps(dashboard["panels"])), at, "is used by no panel")
    findings.demand(any("cost-rhythm" in link.get("tags", []) for link in dashboard.get("links", [])) and "cost-rhythm" in dashboard.get("tags", []), where, "is not linked with the other dashboards")
    for panel in panels(dashboard):
        at = f"{where}: panel {panel.get('id')} '{panel.get('title', '')}'"
        findings.demand(panel.get("id") not in ids, at, "its id is taken")
        ids.add(panel.get("id"))
        findings.demand(panel.get("title"), at, "no title")
        findings.demand(len(panel.get("description") or "") > 10, at, "no description")
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        findings.demand(unit, at, "no unit")
        place = panel["gridPos"]
        findings.demand(place["x"] + place["w"] <= 24, at, "is wider than the page")
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            if taken.setdefault(cell, at) != at:
                findings.add(at, f"lies over {taken[cell]}")
                break
        targets = panel.get("targets", [])
        findings.demand(targets, at, "no query")
        refs = [target.get("refId") for target in targets]
        findings.demand(len(set(refs)) == len(refs), at, "two queries of one refId")
        for source in [panel.get("datasource"), *(target.get("datasource") for target in targets)]:
            source = source or {}
            findings.demand(sources.get(source.get("uid")) == source.get("type"), at, f"data source {source} is not provisioned")
        for target in targets:
            if target["datasource"]["type"] == "prometheus":
                findings.demand(target.get("expr") and target.get("legendFormat"), at, "no expression or no legend")
                continue
            check_query(at, target, findings)
            for match in VARIABLE.finditer(MACRO.sub("", target["rawSql"])):
                name = (match[1] or match[2]).partition(":")[0]
                findings.demand(name in variables, at, f"uses the variable {name}, which the dashboard does not have")
        # Whatever is shown in the chosen currency gets its unit from the query `unit`; a fixed one would call won dollars.
        configured = [t["options"] for t in panel.get("transformations", []) if t["id"] == "configFromData"]
        chosen = any("currency = '${currency}'" in target.get("rawSql", "") and re.search(r"\b(cost|revenue|spent|`projection`)\b", target["rawSql"]) for target in targets)
        money = str(unit).startswith("currency") or panel["type"] == "table"
        if chosen and money:
            findings.demand(configured and "unit" in refs and configured[0]["configRefId"] == "unit", at, "shows the chosen currency, but takes no unit from it")
        findings.demand(panel["title"] in recounts or all(target["datasource"]["type"] == "prometheus" for target in targets), at, "tests/stack/recounts.py has no recount of it")
    titles = {panel["title"] for panel in panels(dashboard)}
    findings.demand(set(recounts) <= titles, "tests/stack/recounts.py", f"recounts of panels that do not exist: {sorted(set(recounts) - titles)}")


def check_query(at, target, findings):
    raw = target.get("rawSql", "")
    findings.demand(raw.strip(), at, "no SQL")
    try:
        sql = expand(raw, 0, 3600)
    except ValueError as error:
        findings.add(at, str(error))
        return
    findings.demand(not re.search(r"\bFINAL\b", sql), at, "uses FINAL: the views need none")
    for table in re.findall(r"\b(?:FROM|JOIN)\s+([\w.`]+)", sql):
        findings.demand(table.startswith("cost_rhythm.") and not table.endswith("_rows") and not table.endswith(".rollups"), at, f"reads {table}, not a view of the database cost_rhythm")
    for amount in ("cost", "revenue", "spent", "`limit`", "`projection`", "actual", "expected", "current", "threshold", "previous", "projection_low", "projection_high"):
        # Grafana reads a Decimal as text: an amount that is shown must have been made a number.
        bare = re.search(rf"(?m)^\s*(?:SELECT )?{re.escape(amount)}(?: AS .*)?,?$", sql)
        findings.demand(not bare, at, f"shows {amount} as a Decimal: wrap it in toFloat64()")


def expand(sql, start, end, chosen=None):
    """What Grafana makes of its variables, and the data source of its macros (pkg/macros of grafana/clickhouse-datasource 4.20.0)."""
    chosen = {**CHOSEN, **(chosen or {})}

    def variable(match):
        name, _, style = (match[1] or match[2]).partition(":")
        if name not in chosen:
            raise ValueError(f"variable {name} is not known to check_stack.py")
        return "'" + chosen[name].replace("'", "''") + "'" if style == "sqlstring" else chosen[name]

    def one(match):
        name, argument = match[1], (match[2] or "").strip()
        if name == "timeFilter" and argument:
            return f"{argument} >= toDateTime({start}) AND {argument} <= toDateTime({end})"
        if name in ("fromTime", "toTime") and not argument:
            return f"toDateTime({start if name == 'fromTime' else end})"
        raise ValueError(f"macro $__{name}({argument}) is not known to check_stack.py")

    return VARIABLE.sub(variable, MACRO.sub(one, sql))


def queries(root, start, end, chosen=None, every=False):
    """Panels over tables that only some deployments fill (rhythm, projected budgets) are left out unless `every`."""
    return [
        {
            "dashboard": file.name,
            "panel_id": panel["id"],
            "panel": panel["title"],
            "ref": target["refId"],
            "sql": expand(target["rawSql"], start, end, chosen),
        }
        for file in dashboards(root)
        for panel in panels(json.loads(file.read_text()))
        for target in panel.get("targets", [])
        if "rawSql" in target and (every or not re.search(r"cost_rhythm\.(rhythm|budget_pace)\b", target["rawSql"]))
    ]


# ------------------------------------------------------------------------------------------------- panels on a server


class Server:
    """A ClickHouse server or the embedded engine."""

    def __init__(self, url, database):
        self.url, self.database = url, database

    def ask(self, sql):
        """Rows of text."""
        request = urllib.request.Request(f"{self.url}/?default_format=JSONCompactStrings&wait_end_of_query=1", sql.encode())
        password = os.environ.get("CLICKHOUSE_PASSWORD")
        if password is not None:
            request.add_header("X-ClickHouse-User", os.environ.get("CLICKHOUSE_USER", "default"))
            request.add_header("X-ClickHouse-Key", password)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:600]) from error
        return json.loads(text)["data"] if text.strip() else []


def same(left, right):
    """Text, or numbers whose last digits may differ because they were added up in another order."""
    if left == right:
        return True
    try:
        return math.isclose(float(left), float(right), rel_tol=1e-9, abs_tol=1e-9)
    except (TypeError, ValueError):
        return False


def difference(found, expected):
    if len(found) != len(expected):
        return f"{len(found)} rows, the recount has {len(expected)}"
    for number, (row, other) in enumerate(zip(found, expected), 1):
        if len(row) != len(other) or not all(map(same, row, other)):
            return f"row {number} is {row}, the recount says {other}"
    return None


def compare_panels(root, server, plant):
    """Every panel and rule, in dollars and won, against its recount; the seconds that the slowest panel took."""
    problems, compared = [], 0
    rates = {rate["currency"]: rate["per_usd"] for rate in tomllib.loads((root / "prices/rates.toml").read_text())["rate"]}
    newest = server.ask(f"SELECT toUnixTimestamp(toStartOfHour(max(occurred_at))) FROM {server.database}.usage_event_rows")
    end = int(newest[0][0])
    if plant:
        plant_rhythm(server, end)
    timings = []
    for currency, rate in (("USD", "1"), ("KRW", rates["KRW"])):
        start = end - 7 * 86400

        def recount(sql, per_usd=rate, begin=start):
            for name, value in (("DB", server.database), ("START", str(begin)), ("END", str(end)), ("RATE", per_usd), ("ZONE", CHOSEN["zone"])):
                sql = re.sub(rf"\b{name}\b", value, sql)
            return server.ask(sql)

        for query in queries(root, start, end, {"currency": currency}, every=True):
            at = f"{query['dashboard']}: '{query['panel']}' in {currency}"
            try:
                begun = time.monotonic()
                found = server.ask(query["sql"].replace("cost_rhythm.", f"{server.database}."))
                timings.append((time.monotonic() - begun, at))
                if query["ref"] == "unit":
                    wanted = [["currencyUSD", "2"], ["currencyUSD", "4"]] if currency == "USD" else [["currencyKRW", "0"]]
                    if len(found) != 1 or found[0] not in wanted:
                        problems.append(f"{at}: the unit is {found}")
                    continue
                expected = recount(RECOUNTS[query["dashboard"].removesuffix(".json")][query["panel"]])
            except RuntimeError as error:
                problems.append(f"{at}: {error}")
                continue
            compared += 1
            if difference(found, expected):
                # A second, or an hour, may have passed between the two questions; a real difference stays.
                found = server.ask(query["sql"].replace("cost_rhythm.", f"{server.database}."))
                expected = recount(RECOUNTS[query["dashboard"].removesuffix(".json")][query["panel"]])
            wrong = difference(found, expected) or (None if found else "no rows: nothing was compared")
            if wrong:
                problems.append(f"{at}: {wrong}")
    for _, _, rule in alert_rules(root):
        at = f"rule {rule['uid']}"
        try:
            found = server.ask(expand(rule["data"][0]["model"]["rawSql"], 0, 1).replace("cost_rhythm.", f"{server.database}."))
            expected = recount(RULES[rule["uid"]], rates["KRW"])
        except RuntimeError as error:
            problems.append(f"{at}: {error}")
            continue
        compared += 1
        wrong = difference(found, expected)
        if wrong:
            problems.append(f"{at}: {wrong}")
    slowest = ", ".join(f"{seconds * 1000:.0f} ms {at}" for seconds, at in sorted(timings, reverse=True)[:3])
    return problems, compared, slowest


def plant_rhythm(server, end):
    """Rows of rhythm and of projected budgets, so that their panels have something to show; a stale revision is among them."""
    server.ask(f"""INSERT INTO {server.database}.rhythm_rows SELECT s, toDateTime({end} - 3600 * number), toDecimal64(number, 6) / 7, toDecimal64(number, 6) / 9, 1 / (1 + number % 7), 1 / (2 + number % 5), 1 / (3 + number % 3),
        ['RESONANT', 'DISSONANT', 'CHAOTIC'][1 + number % 3], 2 - number % 3, number + 10 FROM numbers(200) ARRAY JOIN ['total', 'team=core'] AS s""")
    # Budgets' projections: one that runs, with an older revision of every hour; one that is over; one of a scope.
    for budget, scope, days, more, revision in (("planted-monthly", "", 20, 0, 7), ("planted-monthly", "", 20, 5, 6), ("planted-daily", "", -1, 0, 7), ("planted-monthly", "user_id=u-1", 20, 0, 7)):
        server.ask(f"""INSERT INTO {server.database}.pace_rows SELECT '{budget}', '{scope}', 'p', toDateTime({end} - 20 * 86400), toDateTime({end} + {days} * 86400), toDateTime({end} - 3600 * number), 'KRW', 1000 + number,
            5000, 4000 + number * 10 + {more}, 3000, 6500, 4500, if(number % 2 = 0, toDateTime({end} + 7200), NULL), ['NONE', 'SCALE_DOWN', 'ROLLBACK'][1 + number % 3], 1 / (2 + number % 4), 40 + number % 50, 0.5, 0.99, 12,
            'DISSONANT', {revision} FROM numbers(200)""")
    server.ask(f"INSERT INTO {server.database}.rhythm_rows SELECT 'total', toDateTime({end}), 1, 1, 0, 0, 0, 'IDLE', NULL, 1")


# ------------------------------------------------------------------------------------------------- commands


def check(root):
    findings = Findings()
    compose = check_compose(root, findings)
    check_stack_agrees(root, compose, findings)
    check_topics(root, findings)
    check_dockerfile(root, findings)
    check_grafana(root, compose, findings)
    return findings.lines


# File, what to replace (once), by what, and words that the finding must contain.
COMPOSE, DOCKER, IGNORE, DASHBOARD = "docker-compose.yml", "Dockerfile", ".dockerignore", "grafana/dashboards/spend.json"
SOURCE, TOML, TOPICS, XML = "grafana/provisioning/datasources/clickhouse.yml", "docker/cost-rhythm.toml", "docker/topics.conf", "docker/clickhouse/readers.xml"
CREATE = "docker/create-topics.sh"
PIPELINE, RULE_FILE = "grafana/operations/pipeline.json", "grafana/provisioning/alerting/rules.yml"
FAULTS = [
    (COMPOSE, "    restart: unless-stopped\n", "    restrat: unless-stopped\n", "restrat"),
    (COMPOSE, "${RUST_LOG:-info}", "${RUST_LOG}", "RUST_LOG has no default"),
    (COMPOSE, "${RUST_LOG:-info}", "${LOGGING:-info}", "LOGGING is not in the comment"),
    (COMPOSE, "GRAFANA_PORT=3000", "GRAFANA_PORT=3001", "the comment says 3001"),
    (COMPOSE, "127.0.0.1:${GRAFANA_PORT:-3000}", "0.0.0.0:${GRAFANA_PORT:-3000}", "open to others"),
    (COMPOSE, '"127.0.0.1:${GRAFANA_PORT:-3000}:3000"', '"3000:3000"', "not ADDRESS:HOST:CONTAINER"),
    (COMPOSE, '"127.0.0.1:${GRAFANA_PORT:-3000}', '"127.0.0.1:${COST_RHYTHM_PORT:-8080}', "is also that of"),
    (COMPOSE, "grafana/grafana:12.3.1", "grafana/grafana:latest", "not pinned"),
    (COMPOSE, "grafana/grafana:12.3.1", "grafana/grafana", "not pinned"),
    (COMPOSE, "context: .", "context: ./nowhere", "is not the project"),
    (COMPOSE, "./docker/clickhouse/readers.xml:", "./docker/clickhouse/nobody.xml:", "does not exist"),
    (COMPOSE, "/provisioning:ro", "/provisioning", "writable"),
    (COMPOSE, "- state:/var", "- staat:/var", "staat is not declared"),
    (COMPOSE, "  grafana-data:\n", "  grafana-data:\n  leftover:\n", "leftover is used by no service"),
    (COMPOSE, "    healthcheck:\n      # Through bash", "    x-healthcheck:\n      # Through bash", "no healthcheck"),
    (COMPOSE, 'restart: "no"', "restart: always", "one-shot must not restart"),
    (COMPOSE, "condition: service_completed_successfully", "condition: service_started", "waits for topics"),
    (COMPOSE, "      schema-registry:\n        condition", "      registry:\n        condition", "depends on registry"),
    (COMPOSE, "COST_RHYTHM__CLICKHOUSE__PASSWORD", "COST_RHYTHM__CLICKHOUSE__PASWORD", "names no key"),
    (COMPOSE, "CLICKHOUSE_USER: cost_rhythm", "CLICKHOUSE_USER: somebody", "clickhouse.username"),
    (COMPOSE, "CLICKHOUSE_DB: cost_rhythm", "CLICKHOUSE_DB: other", "clickhouse.database"),
    (COMPOSE, "stop_grace_period: 30s", "stop_grace_period: 15s", "shutdown_grace"),
    (COMPOSE, "datasource@4.20.0", "datasource", "pinned version"),
    (COMPOSE, "GRAFANA_CLICKHOUSE_PASSWORD: ${GRAFANA_CLICKHOUSE_PASSWORD:-grafana}\n      GRAFANA_ALERT", "OTHER: x\n      GRAFANA_ALERT", "does not give to Grafana"),
    (COMPOSE, "dashboards/spend.json", "dashboards/other.json", "home dashboard"),
    (TOML, 'brokers = "kafka:', 'brokers = "broker:', "no service broker"),
    (TOML, "log_format", "log_fromat", "is no key"),
    (TOML, 'database = "cost_rhythm"', "database = 1", "another type"),
    (TOML, "budgets/cloud_platform", "budgets/clout_platform", "does not exist"),
    (TOML, "0.0.0.0:8080", "0.0.0.0:8081", "not published"),
    (TOML, 'username = "cost_rhythm"', 'username = "cost_rhythm"\npassword = "x"', "a password stands"),
    (TOPICS, "max.message.bytes=2162688", "max.message.bytes=2162687", "65536 are needed"),
    (TOPICS, "\ncost-alerts ", "\nalerts ", "cost-rhythm.toml names"),
    (TOPICS, "retention.ms=604800000", "retention.ms=604800001", "USAGE_EVENTS_RETENTION_MS is not"),
    (CREATE, "--config \"$setting\"", "--config \"${setting%0}\"", "docker/topics.conf lists"),
    (CREATE, "partitions=$TOPIC_PARTITIONS", "partitions=7", "docker/topics.conf lists"),
    ("src/service/topics.rs", "../../docker/topics.conf", "../../docker/other.conf", "is not built with"),
    (TOPICS, "=LogAppendTime", "=CreateTime", "not LogAppendTime"),
    (TOPICS, "=delete", "=compact", "compacted"),
    (CREATE, "set -eu", "set -eu; false", "fails"),
    (DOCKER, "FROM debian:bookworm-slim", "FROM debian", "not pinned"),
    (DOCKER, "FROM rust:1.95.0-bookworm", "FROM rust:latest", "not pinned"),
    (DOCKER, "COPY prices", "COPY pricelist", "does not exist"),
    (DOCKER, "COPY --from=builder", "COPY --from=build", "no such stage"),
    (DOCKER, " --locked", "", "--release --locked"),
    (DOCKER, "USER 10001:10001\n", "", "runs as root"),
    (DOCKER, "USER 10001:10001", "USER 0", "runs as root"),
    (DOCKER, "HEALTHCHECK", "ONBUILD", "no HEALTHCHECK"),
    (IGNORE, "docs\n", "docs\nprices\n", "keeps out"),
    (IGNORE, "docs\n", "docs\nschemas\n", "keeps out schemas/Cargo.toml"),
    (IGNORE, "docs\n", "docs\n**/*.gz\n", "which the build needs"),
    (IGNORE, ".env\n", "", "lets .env into"),
    (SOURCE, "uid: cost-rhythm-clickhouse", "uid: other", "not provisioned"),
    (SOURCE, "username: grafana", "username: nobody", "user nobody"),
    (XML, "</grafana>", "</graphana>", "is no XML"),
    (XML, "<max_memory_usage>4000000000</max_memory_usage>", "", "has no max_memory_usage"),
    (XML, "<max_execution_time><max>120</max></max_execution_time>", "", "may raise max_execution_time"),
    (XML, "<queries>5000</queries>", "", "its quota has no queries"),
    (XML, "<quota>analyst</quota>", "<quota>default</quota>", "quota default is not there"),
    (XML, "<profile>analyst</profile>", "<profile>default</profile>", "profile default is not there"),
    (XML, "GRANT SELECT ON cost_rhythm.*", "GRANT ALL ON cost_rhythm.*", "is granted more"),
    (XML, 'from_env="ANALYST', 'from_env="ANALIST', "has no password"),
    (COMPOSE, "users.d/readers.xml:ro", "users.d/others.xml:ro", "is not mounted"),
    ("docker/prometheus/prometheus.yml", "cost-rhythm:8080", "cost-rhythm:8081", "does not scrape"),
    ("docker/prometheus/prometheus.yml", "alertmanager:9093", "alarm:9093", "there is no such service"),
    ("docker/prometheus/prometheus.yml", "- alerts.yml", "- alarms.yml", "does not exist"),
    ("docker/prometheus/alerts.yml", "cost_rhythm_lag_messages", "cost_rhythm_lag", "is neither recorded nor"),
    ("docker/prometheus/alerts.yml", "provider_model:llm_cost_per_hour_usd:sum", "model:llm_cost_per_hour_usd:sum", "is neither recorded nor"),
    ("docker/prometheus/alerts.yml", "level: critical", "level: loud", "has no level"),
    ("docker/prometheus/recording.yml", "budget_usage_ratio)", "budget_used_ratio)", "is neither recorded nor"),
    ("grafana/provisioning/datasources/prometheus.yml", "//prometheus:", "//prometeus:", "no service prometeus"),
    (PIPELINE, "cost_rhythm_lag_messages", "cost_rhythm_lag", "is not in docs/OPERATIONS.md"),
    (RULE_FILE, "datasourceUid: cost-rhythm-clickhouse", "datasourceUid: clickhouse", "is not provisioned"),
    (RULE_FILE, "uid: cr-krw-month-warning", "uid: cr-krw-month", "is taken"),
    (RULE_FILE, "uid: cr-krw-hour\n", "uid: cr-krw-hours\n", "has no recount"),
    (RULE_FILE, "condition: C", "condition: D", "is no step"),
    (RULE_FILE, "expression: B", "expression: X", "which is not before it"),
    (RULE_FILE, "panelId: 14", "panelId: 99", "its panel does not exist"),
    (RULE_FILE, "level: warning", "level: loud", "no level"),
    (RULE_FILE, "toUInt8(is_reached) AS reached\n", "toUInt8(is_reached) AS reached,\n                  current\n", "as a Decimal"),
    (RULE_FILE, "folder: Cost Rhythm", "folder: Elsewhere", "has no dashboards"),
    ("grafana/provisioning/alerting/contact-points.yml", "receiver: Cost Rhythm", "receiver: Nobody", "is no contact point"),
    ("grafana/provisioning/alerting/contact-points.yml", "GRAFANA_ALERT_ADDRESS", "GRAFANA_ALERT_ADRESS", "does not give to Grafana"),
    ("grafana/build.py", "Spend per hour of the chosen scope", "Spend an hour of the chosen scope", "is not what grafana/build.py writes"),
    (XML, "<readonly>2</readonly>", "<readonly>0</readonly>", "may write"),
    ("grafana/provisioning/dashboards/cost-rhythm.yml", "grafana-dashboards", "dashboards", "no mounted directory"),
    (DASHBOARD, '"unit": "currencyUSD"', '"unit": ""', "no unit"),
    (DASHBOARD, '"title": "Calls"', '"title": ""', "no title"),
    (DASHBOARD, '"title": "Calls"', '"title": "Telephone calls"', "has no recount"),
    (DASHBOARD, '"description": "LLM calls of the chosen scope in the selected range."', '"description": ""', "no description"),
    (DASHBOARD, '"id": 2,', '"id": 1,', "its id is taken"),
    (DASHBOARD, '"x": 4,', '"x": 3,', "lies over"),
    (DASHBOARD, '"x": 20,', '"x": 21,', "wider than the page"),
    (DASHBOARD, "$__timeFilter", "$__timeFliter", "is not known"),
    (DASHBOARD, "${scope:sqlstring}", "${skope:sqlstring}", "variable skope is not known"),
    (DASHBOARD, '"name": "zone"', '"name": "zones"', "uses the variable zone"),
    (DASHBOARD, '"label": "Currency"', '"label": ""', "no label"),
    (DASHBOARD, '"configRefId": "unit"', '"configRefId": "A"', "takes no unit from it"),
    (DASHBOARD, "FROM cost_rhythm.month_forecast", "FROM cost_rhythm.usage_events FINAL, cost_rhythm.month_forecast", "uses FINAL"),
    (DASHBOARD, "FROM cost_rhythm.month_forecast", "FROM system.tables", "not a view"),
    (DASHBOARD, "FROM cost_rhythm.month_forecast", "FROM cost_rhythm.rollups", "not a view"),
    (DASHBOARD, "toFloat64(spent) AS", "spent AS", "as a Decimal"),
    (DASHBOARD, '"uid": "cost-rhythm-spend"', '"uid": ""', "no uid"),
    (DASHBOARD, '"tags": [\n    "cost-rhythm"', '"tags": [\n    "other"', "is not linked"),
]


def copy_project(target):
    """The files that the checks read. Sources go along, because the build context is checked against what they include."""
    names = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    for name in names:
        source = PROJECT / name
        if not source.is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(source.read_bytes())


def self_test():
    missed = []
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        copy_project(root)
        found = check(root)
        if found:
            return [f"the copy without a fault has findings: {found}"]
        for file, old, new, words in FAULTS:
            path = root / file
            text = path.read_text()
            if old not in text:
                missed.append(f"{file}: nothing to plant in, '{old}' is gone: bring the list of faults up to date")
                continue
            path.write_text(text.replace(old, new, 1))
            try:
                found = check(root)
            except Exception as error:  # noqa: BLE001 - a check that falls over has not found the fault
                found = []
                missed.append(f"{file}: '{old}' -> '{new}': the check itself failed: {error!r}")
            else:
                if not any(words in line for line in found):
                    missed.append(f"{file}: '{old}' -> '{new}' was not found ('{words}'); findings: {found}")
            path.write_text(text)
    return missed


def main():
    parser = argparse.ArgumentParser(description="checks the container stack without a container engine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("self-test")
    sql = commands.add_parser("sql")
    sql.add_argument("--from", dest="start", type=int, default=0, help="start of the time range, Unix seconds")
    sql.add_argument("--to", dest="end", type=int, default=2**32 - 1, help="end of the time range, Unix seconds")
    sql.add_argument("--every", action="store_true", help="those over tables that may be empty too")
    on_server = commands.add_parser("panels")
    on_server.add_argument("--url", default="http://127.0.0.1:8123", help="of the server; user and password from CLICKHOUSE_USER and CLICKHOUSE_PASSWORD")
    on_server.add_argument("--database", default="cost_rhythm")
    on_server.add_argument("--plant-rhythm", action="store_true", help="writes rows of rhythm first: not on a database that is in use")
    arguments = parser.parse_args()
    if arguments.command == "sql":
        json.dump(queries(PROJECT, arguments.start, arguments.end, every=arguments.every), sys.stdout, indent=1)
        print()
        return 0
    if arguments.command == "panels":
        problems, compared, slowest = compare_panels(PROJECT, Server(arguments.url, arguments.database), arguments.plant_rhythm)
        print("\n".join(problems))
        print(f"panels: {compared} answers compared with recounts, {len(problems)} differ; slowest: {slowest}")
        return 1 if problems or not compared else 0
    problems = check(PROJECT) if arguments.command == "check" else self_test()
    for line in problems:
        print(line)
    what = "checked" if arguments.command == "check" else f"{len(FAULTS)} planted faults"
    print(f"stack: {what}, {len(problems)} " + ("findings" if arguments.command == "check" else "not found"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
