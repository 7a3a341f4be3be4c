"""The policy in the package: what is put there, what is refused, and that a build carries it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from salus_collector.policy import registry
from salus_collector.policy.registry import SHIPPED_SMOLVLA, check_policy, make_policy
from salus_data.errors import PolicyError

pytest.importorskip("lerobot")
pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and LeRobot

from checkpoints import save_ensemble  # noqa: E402

from salus_collector.policy.smolvla import shipped  # noqa: E402
from salus_collector.policy.smolvla.ensemble import find_source  # noqa: E402
from salus_collector.policy.smolvla.train import make_relocatable  # noqa: E402

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_ensemble(tmp_path_factory.mktemp("trained") / "ensemble", members=2)
    make_relocatable(folder / "base")
    (folder / "base" / "optimizer.bin").write_bytes(b"not for users")
    return folder


def test_smolvla_by_name_is_what_was_shipped(
    ensemble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "shipped"
    monkeypatch.setattr(registry, "SHIPPED_SMOLVLA", out)
    with pytest.raises(PolicyError, match=r"this installation has no .*checkpoint"):
        check_policy("smolvla")
    out.mkdir()  # one that is replaced
    (out / "old.json").write_text("{}")
    shipped.ship(ensemble, "2.3.4", out)
    check_policy("smolvla-pose")
    policy = make_policy("smolvla-pose")
    assert policy.name == "tiny 2.3.4"
    assert find_source(str(out)).version == "2.3.4"
    assert policy.ensemble_size == 2
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert not (out / "old.json").exists()


def test_what_must_not_ship_is_refused_and_leaves_the_old_one(
    ensemble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "shipped"
    out.mkdir()
    (out / "ensemble.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"MAJOR\.MINOR"):
        shipped.ship(ensemble, "new", out)
    with pytest.raises(PolicyError, match=r"no ensemble\.json"):
        shipped.ship(ensemble / "base", "1.0.0", out)

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ensemble, elsewhere)
    config = elsewhere / "base" / "config.json"
    text = json.loads(config.read_text()) | {"vlm_model_name": "/home/someone/vlm"}
    config.write_text(json.dumps(text))
    with pytest.raises(PolicyError, match=r"config\.json: names the path /home/someone/vlm"):
        shipped.ship(elsewhere, "1.0.0", out)

    (elsewhere / "base" / "config.json").unlink()
    with pytest.raises(PolicyError, match=r"config\.json: no such file"):
        shipped.ship(elsewhere, "1.0.0", out)

    monkeypatch.setattr(shipped, "LIMIT_MB", 1e-3)
    with pytest.raises(PolicyError, match=r"at most 0\.001 MB"):
        shipped.ship(ensemble, "1.0.0", out)
    assert [path.name for path in tmp_path.rglob("*.json") if "shipped" in str(path)] == [
        "ensemble.json"
    ]


def test_a_build_of_the_package_carries_every_file_of_a_policy(
    ensemble: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(
        PACKAGE, source, ignore=shutil.ignore_patterns("shipped", "test", "__pycache__", "*.egg*")
    )
    inside = Path("salus_collector/policy/smolvla/shipped")
    shipped.ship(ensemble, "1.0.0", source / inside)
    command = [sys.executable, "setup.py", "--quiet", "build_py", "-d", str(tmp_path / "b")]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)

    def files(root: Path) -> set[str]:
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    assert files(tmp_path / "b" / inside) == files(source / inside)
    assert any("vlm/tokenizer.json" in name for name in files(tmp_path / "b" / inside))


@pytest.mark.skipif(not SHIPPED_SMOLVLA.is_dir(), reason="this checkout has no weights")
def test_the_one_in_the_package_is_a_versioned_ensemble_of_modest_size() -> None:
    size = sum(path.stat().st_size for path in SHIPPED_SMOLVLA.rglob("*") if path.is_file())
    assert size < shipped.LIMIT_MB * 1e6
    told, sees = make_policy("smolvla-pose"), make_policy("smolvla")
    assert told.ensemble_size == sees.ensemble_size >= 3
    assert find_source(str(SHIPPED_SMOLVLA)).version.count(".") == 2
    assert sees.needs_images
    assert not told.needs_images
    assert told.digest != sees.digest
