#!/usr/bin/env bash
# Runs targets of fuzzing one after the other, each for some minutes: tests/fuzz/run.sh MINUTES [TARGET ...]
# Build them first: scripts/build fuzz. Interesting files are kept in build/fuzz/corpus/TARGET, and what a target did not
# stand in build/fuzz/found. Stops at the first such file.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:?usage: tests/fuzz/run.sh MINUTES [TARGET ...]}
shift
[ $# -gt 0 ] || set -- $(cd build/fuzz && ls -d fuzz_* | sed 's/^fuzz_//')

build/fuzz/kindling_fuzz_seeds build/fuzz/corpus
mkdir -p build/fuzz/found
# An input has at most 64 KB; twice that and 64 MB is the largest block that a reader may take. Together with the memory
# that AddressSanitizer keeps for itself, 1 GB is far more than any reader should need.
export ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=1
for target; do
  echo "$target: $minutes minutes"
  "build/fuzz/fuzz_$target" -max_total_time=$((minutes * 60)) -max_len=65536 -timeout=10 -malloc_limit_mb=65 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$target-" "build/fuzz/corpus/$target" \
    2> "build/fuzz/$target.log" || { tail -n 60 "build/fuzz/$target.log"; exit 1; }
  # "#12345 DONE cov: 678 ft: 1234 corp: 56/7890b exec/s: 411 rss: 90Mb"
  grep -a 'DONE' "build/fuzz/$target.log"
done
