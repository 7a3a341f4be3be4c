from setuptools import find_packages, setup

setup(
    name="salus_collector",
    version="0.1.0",
    description="Simulation, policies and recorder of SALUS, and their nodes.",
    license="Apache-2.0",
    maintainer="SALUS maintainers",
    maintainer_email="maintainers@salus.invalid",
    packages=find_packages(include=["salus_collector", "salus_collector.*"]),
    package_data={"": ["py.typed", "*.html.j2", "shipped/**/*.safetensors", "shipped/**/*.json"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/salus_collector"]),
        ("share/salus_collector", ["package.xml"]),
    ],
    zip_safe=False,
    python_requires=">=3.12",
    install_requires=[
        "gymnasium",
        "gymnasium-robotics",
        "mujoco",
        "numpy",
        "psutil",
        "pyyaml",
        "rich",
        "safetensors",
        "salus-data",
        "salus-ros",
        "scikit-learn",
        "scipy",
        "torch",
    ],
    extras_require={
        "test": ["pytest"],
        "policy": ["lerobot[smolvla,dataset,training]", "transformers"],  # SmolVLA
        "compare": ["mink"],  # python -m salus_collector.sim.measure ik
    },
    entry_points={
        "salus.environments": [
            "panda_pick_place = salus_collector.sim.environment:PandaPickPlace",
        ],
        "console_scripts": [
            "sim_node = salus_collector.nodes.sim_node:main",
            "policy_node = salus_collector.nodes.policy_node:main",
            "bag_node = salus_collector.nodes.bag_node:main",
            "recorder_node = salus_collector.nodes.recorder_node:main",
            "collect_node = salus_collector.nodes.collect_node:main",
        ],
    },
)
