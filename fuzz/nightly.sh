#!/usr/bin/env bash
# Runs every fuzz target for so many seconds, 60 if not said otherwise; ends at the first finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
for target in $(cargo fuzz list); do
    echo "--- $target: $seconds s"
    seeds=()
    if [[ -d fuzz/seeds/$target ]]; then seeds=("fuzz/corpus/$target" "fuzz/seeds/$target"); fi
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run "$target" "${seeds[@]}" -- -max_total_time="$seconds" -verbosity=0
done
