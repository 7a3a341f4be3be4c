from setuptools import find_packages, setup

setup(
    name="salus_predictor",
    version="0.1.0",
    description="Predictor and supervisor of SALUS; runs on a robot without MuJoCo or LeRobot.",
    license="Apache-2.0",
    maintainer="SALUS maintainers",
    maintainer_email="maintainers@salus.invalid",
    packages=find_packages(include=["salus_predictor", "salus_predictor.*"]),
    package_data={
        "": ["py.typed", "*.html.j2"],
        "salus_predictor": ["shipped/*"],
        "salus_predictor.studies.pi0_libero": ["*.json"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/salus_predictor"]),
        ("share/salus_predictor", ["package.xml"]),
    ],
    zip_safe=False,
    python_requires=">=3.12",
    install_requires=[
        "jinja2",
        "matplotlib",
        "numpy",
        "pydantic",
        "pyyaml",
        "safetensors",
        "salus-data",
        "salus-ros",
        "scikit-learn",
        "scipy",
        "torch",
        "xgboost-cpu",
    ],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "predictor_node = salus_predictor.nodes.predictor_node:main",
            "replay_node = salus_predictor.nodes.replay_node:main",
            "black_box_node = salus_predictor.nodes.black_box_node:main",
            "supervisor_node = salus_predictor.nodes.supervisor_node:main",
            "risk_view_node = salus_predictor.nodes.risk_view_node:main",
        ],
        "salus.models": [
            f"{kind} = salus_predictor.online.trained:load"
            for kind in ("network", "trees", "average")
        ],
    },
)
