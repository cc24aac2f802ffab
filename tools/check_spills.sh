#!/bin/sh
# Reads the machine code of the micro-kernels (tensor/kernels/tile.h) and fails if one of them keeps a vector on the
# stack inside its innermost loop: a tile that no longer fits into the registers costs half of the speed.
# Usage: tools/check_spills.sh OBJECT..., the objects compiled from table_avx2.cpp and table_avx512.cpp.
set -eu
[ $# -gt 0 ] || { echo "usage: $0 OBJECT..." >&2; exit 2; }
for object in "$@"; do
  objdump -dC --no-show-raw-insn "$object" | awk -v object="$object" '
    # A loop is what a jump goes back over; an innermost one holds no other. Only those with multiply-adds count.
    function check_function(  i, j, from, fmas, spills, inner, found) {
      for (i = 0; i < n; ++i) {
        if (code[i] !~ /^j/ || !(target[i] in at) || at[target[i]] > i) continue
        from = at[target[i]]
        inner = 1; fmas = 0; spills = 0
        for (j = from; j < i; ++j) {
          if (code[j] ~ /^j/ && (target[j] in at) && at[target[j]] >= from && at[target[j]] <= j) inner = 0
          if (code[j] ~ /^vfmadd/) ++fmas
          if (code[j] ~ /[xyz]mm/ && code[j] ~ /\(%r[sb]p/) { ++spills; example = code[j] }
        }
        if (!inner || fmas == 0) continue
        found = 1
        if (spills > 0) {
          printf "%s: %s: %d vector accesses to the stack beside %d multiply-adds, as %s\n", object, name, spills, fmas, example
          failed = 1
        }
      }
      if (!found) { printf "%s: %s: no loop with multiply-adds found\n", object, name; failed = 1 }
      ++functions
    }
    function finish() { if (name != "") check_function(); name = ""; n = 0; delete at; delete code; delete target }
    /^[0-9a-f]+ <.*>:$/ {
      finish()
      if ($0 ~ /(product|outer)_tile_fixed</) { name = $0; sub(/^[^<]*</, "", name); sub(/\(kindling.*/, "", name); sub(/.*::/, "", name) }
      next
    }
    name != "" && /^ *[0-9a-f]+:/ {
      address = $1; sub(/:/, "", address)
      line = $0; sub(/^ *[0-9a-f]+:[ \t]*/, "", line)
      at[address] = n; code[n] = line; target[n] = ""
      if (line ~ /^j/) { split(line, word, /[ \t]+/); target[n] = word[2] }
      ++n
    }
    END {
      finish()
      if (functions == 0) { printf "%s: no micro-kernels found\n", object; exit 1 }
      if (failed) exit 1
      printf "%s: %d micro-kernels, none keeps a vector on the stack in its loop\n", object, functions
    }'
done
