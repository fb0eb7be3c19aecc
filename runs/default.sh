#!/usr/bin/env bash
# The bundled model from nothing: render a world, train the networks, measure them.
# Runs on whatever device there is; every step goes on where it was interrupted.
#
#   bash runs/default.sh [FOLDER] [CLIPS] [IMAGES]        defaults: out, 4500, 26000
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out}
clips=${2:-4500}
images=${3:-26000}
skyloom=${SKYLOOM:-.venv/bin/skyloom}
python=${PYTHON:-.venv/bin/python}
sizes=128x128,128x128,128x128,160x96,96x160,64x64

"$skyloom" world "$out/world" --clips "$clips" --images "$images" --seed 11 --size "$sizes" \
    --frames 17,25,49 --format safetensors
"$skyloom" train autoencoder runs/default_autoencoder.toml \
    "out=$out/default_autoencoder" "world=$out/world"
"$skyloom" prepare "$out/world" -o "$out/prepared" --model "$out/default_autoencoder/model"
"$skyloom" train transformer runs/default_transformer.toml "out=$out/default_transformer" \
    "data=$out/prepared" "autoencoder=$out/default_autoencoder/model"
"$python" -m skyloom.bench.judges.training runs/default_judge.toml \
    "out=$out/default_judge" "data=[\"$out/world\"]"
"$skyloom" bench reconstruction --model "$out/default_transformer/model" --json "$out/reconstruction.json"
"$skyloom" bench adherence --model "$out/default_transformer/model" --json "$out/adherence.json"
"$skyloom" bench editing --model "$out/default_transformer/model" --json "$out/editing.json"
