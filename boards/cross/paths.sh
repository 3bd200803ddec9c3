# Where the cross build for $ARM lies. Read by the scripts here, which set $here.
arm=${ARM:-armv8-a}
gnu=aarch64-linux-gnu
target=aarch64-unknown-linux-gnu
repository=$(cd "$here/../.." && pwd)
cross=$repository/target/cross-$(echo "$arm" | tr + -)
program=$cross/$target/release/syrinx
