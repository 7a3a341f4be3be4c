from setuptools import find_packages, setup

setup(
    name="salus_data",
    version="0.1.0",
    description="Failure types, dataset, labels, doctor and robot signals of SALUS; no ROS.",
    license="Apache-2.0",
    maintainer="SALUS maintainers",
    maintainer_email="maintainers@salus.invalid",
    packages=find_packages(include=["salus_data", "salus_data.*"]),
    package_data={"": ["py.typed", "*.html.j2"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/salus_data"]),
        ("share/salus_data", ["package.xml"]),
    ],
    zip_safe=False,
    python_requires=">=3.12",
    install_requires=[
        "apsw",
        "backports.zstd",
        "google-crc32c",
        "jinja2",
        "numcodecs",
        "numpy",
        "pillow",
        "pydantic",
        "pyyaml",
        "rich",
        "rosbags",
        "scikit-learn",
        "zarr",
    ],
    extras_require={
        "test": ["pytest"],
        "torch": ["torch"],  # salus_data.torch_view
        "lerobot": ["lerobot[dataset]"],  # LeRobotDatasets in and out
    },
)
