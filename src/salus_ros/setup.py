from setuptools import find_packages, setup

setup(
    name="salus_ros",
    version="0.1.0",
    description="What every SALUS node shares: topics, parameters, conversions, start and end.",
    license="Apache-2.0",
    maintainer="SALUS maintainers",
    maintainer_email="maintainers@salus.invalid",
    packages=find_packages(include=["salus_ros", "salus_ros.*"]),
    package_data={"": ["py.typed", "*.html.j2"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/salus_ros"]),
        ("share/salus_ros", ["package.xml"]),
    ],
    zip_safe=False,
    python_requires=">=3.12",
    install_requires=[
        "numpy",
        "rosbags",
        "salus-data",
    ],
    extras_require={"test": ["pytest"]},
)
