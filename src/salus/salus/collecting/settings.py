"""What `salus collect` was asked for, and how the nodes are told."""

import hashlib
import json
import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory

from salus_collector.collection import bag_path, store_path
from salus_collector.perception.targets import PIXELS
from salus_collector.sim.disturbance_config import load_mix
from salus_data.errors import FormatError, UnknownNameError
from salus_data.store import Store
from salus_data.topic_names import NAMESPACE
from salus_data.yaml_file import read_yaml
from salus_predictor.supervisor.config import load_config
from salus_predictor.supervisor.core import MODES

MAX_EPISODES = 10_000_000
MAX_SEED = 2**53
MAX_IMAGE_SIZE = 2048  # [px]


@dataclass(frozen=True)
class CollectSettings:
    """One collection; None leaves what the configuration file says.

    Attributes:
        episodes: how many the collection is to have in the end.
        out: its folder.
        policy: by name, or checkpoints (`salus_collector.policy.registry`), paths absolute.
        seed: root seed.
        workers: processes that share the work.
        disturbances: `none`, a family or a YAML file.
        realtime: at 30 Hz of wall time instead of lockstep.
        image_size: side of the images [px], 0 for none.
        config: ROS parameter file of the nodes.
        model: folder of a predictor that watches, or `shipped`; empty: none.
        supervise: `off`, `shadow`, `active` or `auto`, as of supervisor_node; read with a model.
        rules: YAML file of the supervisor; empty: config/supervisor.yaml.
        bag: record a rosbag2 bag a worker as well.
        localiser: adds signals of what the cameras show: `shipped`, or a file; empty: none. Where a
            supervisor may act, the policy looks again by it after an intervention.
        direct: without ROS; the same episodes, faster.
        keep_images: record them; else they are rendered for policy and localiser alone.
        embedding: record the policy's hidden state, too.
    """

    episodes: int
    out: Path
    policy: str
    seed: int
    workers: int
    disturbances: str
    realtime: bool
    image_size: int
    config: Path
    model: str = ""
    supervise: str = "auto"
    rules: str = ""
    bag: bool = False
    localiser: str = ""
    direct: bool = False
    keep_images: bool = True
    embedding: bool = False

    def check(self) -> None:
        """Refuse what cannot work before anything is started.

        Raises:
            SalusError: names the option, its value and what it may be.
        """
        from salus_collector.policy.registry import EXPERT, SMOLVLA, check_policy

        self._check_numbers()
        load_mix(self.disturbances)
        if self.model:
            load_config(self.rules_file())
            if self.supervise not in MODES:
                raise UnknownNameError("supervisor mode", self.supervise, MODES)
        check_policy(self.policy)
        if self.localiser and self.policy == SMOLVLA:
            raise FormatError(
                f"--policy {SMOLVLA} looks for itself; leave out --localiser, which is for "
                "policies that act on what they are told"
            )
        looking = "--localiser" if self.localiser else ""
        looking = f"--policy {SMOLVLA}" if self.policy == SMOLVLA else looking
        if looking and (self.image_size == 0 or self.image_size % PIXELS):
            raise FormatError(
                f"--image-size is {self.image_size}; {looking} looks at images of {PIXELS} pixels "
                "or a multiple"
            )
        for option, asked in (("--model", self.model), ("--bag", self.bag)):
            if self.direct and asked:
                raise FormatError(f"{option} needs the ROS graph; leave out --direct")
        if self.direct and self.realtime:
            raise FormatError("--realtime needs the ROS graph; leave out --direct")
        if not self.direct and not self.keep_images:
            raise FormatError("--drop-images needs --direct: the graph records what it publishes")
        if self.embedding and self.policy == EXPERT:
            raise FormatError(f"--embedding: the policy {EXPERT} has no hidden state")
        if not isinstance(read_yaml(self.config), dict):
            raise FormatError(f"{self.config}: no ROS parameter file; see config/collect.yaml")
        if self.out.exists() and not self.out.is_dir():
            raise FormatError(f"{self.out}: is a file; give a folder")
        if self.workers > self.episodes:
            raise FormatError(
                f"--workers is {self.workers}, more than the {self.episodes} episodes there are"
            )

    def _check_numbers(self) -> None:
        for option, value, low, high in (
            ("--episodes", self.episodes, 1, MAX_EPISODES),
            ("--workers", self.workers, 1, MAX_EPISODES),
            ("--seed", self.seed, 0, MAX_SEED),
            ("--image-size", self.image_size, 0, MAX_IMAGE_SIZE),
        ):
            if not low <= value <= high:
                raise FormatError(f"{option} is {value}; give {low} to {high}")

    def check_out(self) -> None:
        """Refuse a folder whose episodes were collected otherwise.

        Indices are what a collection goes on by, so another seed would take them for its own.

        Raises:
            FormatError: a store in it is broken, or was made with other settings.
        """
        for path in sorted(self.out.glob("*.zarr")):
            store = Store.open(path)
            if len(store) and store.contract.config_digest != self.digest():
                made = store.attributes.get("provenance", {}).get("command", "unknown")
                raise FormatError(
                    f"{path} was collected with other settings ({made}); give another folder, or "
                    "the same seed, policy, disturbances and sizes"
                )

    def digest(self) -> str:
        """Of everything that decides what the episodes are: 16 hexadecimal digits.

        Not of the number of episodes or workers: they change which are made, not what they are.
        """
        decides = {
            "mix": load_mix(self.disturbances).digest(),
            "parameters": read_yaml(self.config),
            "seed": self.seed,
            "policy": self.policy,
            "realtime": self.realtime,
            "image_size": self.image_size,
        }
        if self.localiser:
            decides["localiser"] = self.localiser
        if self.model and self.supervise in ("active", "auto"):
            # Only then can the model change an episode.
            rules = read_yaml(self.rules_file())
            decides |= {"model": self.model, "supervise": self.supervise, "rules": rules}
        text = json.dumps(decides, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def command(self) -> str:
        """The command line that asks for this collection."""
        left_out = ["realtime", "workers", "bag", "direct", "keep_images", "embedding"]
        if not self.model:
            left_out += ["model", "supervise", "rules"]
        options = {k: v for k, v in asdict(self).items() if k not in left_out and v != ""}
        line = "salus collect " + " ".join(
            f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
            for name, value in options.items()
        )
        flags = {
            " --realtime": self.realtime,
            " --direct": self.direct,
            " --drop-images": not self.keep_images,
            " --embedding": self.embedding,
        }
        return line + "".join(flag for flag, given in flags.items() if given)

    def rules_file(self) -> Path:
        """The rules of the supervisor."""
        return Path(self.rules) if self.rules else shared_file("config", "supervisor.yaml")

    def node_parameters(self, worker: int) -> dict[str, dict[str, Any]]:
        """What the nodes of one worker are told beyond the configuration file, by node."""
        sim = {
            "seed": self.seed,
            "disturbances": self.disturbances,
            "image_size": self.image_size,
            "mode": "realtime" if self.realtime else "lockstep",
            "policy": self.policy,
        }
        policy: dict[str, Any] = {"policy": self.policy, "config_digest": self.digest()}
        if self.localiser:
            policy["localiser"] = self.localiser
            if self.model and self.supervise in ("active", "auto"):
                policy["second_look"] = self.localiser
        if self.embedding:
            policy["embedding"] = True
        if not self.image_size:
            policy["cameras"] = [""]  # a list without elements has no type in ROS
        supervisor: dict[str, Any] = {"time_mode": sim["mode"]}
        if self.realtime:
            supervisor["proposal_patience"] = 0.05
        if self.model:
            supervisor |= {"supervise": self.supervise, "rules": str(self.rules_file())}
        return {
            "sim_node": sim,
            "supervisor_node": supervisor,
            "predictor_node": {"model": self.model},
            "policy_node": policy,
            "recorder_node": {
                "store": str(store_path(self.out, worker)),
                "provenance": self.command(),
            },
            "bag_node": {
                "bag": str(bag_path(self.out, worker)),
                "provenance": self.command(),
            },
            "collect_node": {
                "episodes": self.episodes,
                "out": str(self.out),
                "worker": worker,
                "workers": self.workers,
            },
        }

    def parameter_files(self, worker: int) -> tuple[Path, Path]:
        """The parameter files of one worker's nodes; the later one wins.

        The second is written into the collection's folder, where it tells how it was made.
        """
        parameters = {
            f"/**/{node}": {"ros__parameters": values}
            for node, values in self.node_parameters(worker).items()
        }
        asked = self.out / "parameters" / f"worker{worker}.yaml"
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_text(yaml.safe_dump(parameters), encoding="utf-8")
        return self.config, asked

    def ros_arguments(self, worker: int) -> list[str]:
        """The ROS arguments of a process that runs all nodes of one worker."""
        arguments = ["--ros-args", "-r", f"__ns:={NAMESPACE}", "--log-level", "warn"]
        for path in self.parameter_files(worker):
            arguments += ["--params-file", str(path)]
        return arguments


MAX_DOMAIN = 101
"""ROS domains up to this one keep clear of the ephemeral ports of Linux."""


def own_domain(worker: int) -> dict[str, str]:
    """The environment that gives a worker a ROS domain of its own, on this machine only.

    /clock is one topic a domain, so two simulations cannot share one.
    """
    base = int(os.environ.get("ROS_DOMAIN_ID", "0"))
    return {
        "ROS_DOMAIN_ID": str((base + 1 + worker) % (MAX_DOMAIN + 1)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def shared_file(*parts: str) -> Path:
    """A file installed into share/salus, such as config/collect.yaml."""
    return Path(get_package_share_directory("salus"), *parts)
