from setuptools import setup

setup(
    name="syrinx_ros",
    version="0.1.0",
    packages=["syrinx_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/syrinx_ros"]),
        ("share/syrinx_ros", ["package.xml"]),
    ],
    install_requires=["setuptools", "syrinx"],
    entry_points={"console_scripts": ["speak = syrinx_ros.node:main"]},
)
