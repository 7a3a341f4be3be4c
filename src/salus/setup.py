from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="salus",
    version="0.1.0",
    description="Bring-up of SALUS: launch files, configuration and the salus command.",
    license="Apache-2.0",
    maintainer="SALUS maintainers",
    maintainer_email="maintainers@salus.invalid",
    packages=find_packages(include=["salus", "salus.*"]),
    package_data={"": ["py.typed", "*.html.j2"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/salus"]),
        ("share/salus", ["package.xml"]),
        ("share/salus/launch", [str(path) for path in Path("launch").glob("*.launch.py")]),
        ("share/salus/config", [str(path) for path in Path("config").glob("*.*")]),
    ],
    zip_safe=False,
    python_requires=">=3.12",
    install_requires=[
        "gymnasium",
        "jinja2",
        "mujoco",
        "numpy",
        "pyyaml",
        "rich",
        "rosbags",
        "salus-collector",
        "salus-data",
        "salus-predictor",
        "salus-ros",
        "torch",
        "typer",
    ],
    extras_require={"test": ["pytest"], "bench": ["lerobot[dataset]"]},
    entry_points={
        "console_scripts": [
            "salus = salus.main:main",
        ],
    },
)
