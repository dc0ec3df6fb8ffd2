#!/usr/bin/env bash
# pytorch-reader 0.22.1 (the reader behind burn-store): a tensor whose negation PyTorch has put off, as the imaginary part of a conjugate
# is, is read with the wrong sign and without a word. `torch.save` keeps the flag `neg` beside such a tensor and the values as they lie
# in memory; `torch.load` applies it. The same reader refuses other kinds of tensors that it cannot represent.
#
# torch 2.15.0 wrote the file below, by
#   z = torch.complex(torch.zeros(3), torch.arange(3.0)).conj()
#   torch.save({"imaginary": z.imag, "real": z.real}, path)
# and `torch.load(path)["imaginary"]` is [-0, -1, -2].
#
# Seen: imaginary [0.0, 1.0, 2.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
base64 -d <<'FILE' | xz -d > "$folder/signs.pt"
/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4AZoAlJdACgSvGAn5w2LqFI1E1uufUG5t7MwMxiuxXflOLahidrkXpqIyP24JTUA+TftK6eGAd8PZllnV/H/X8FV
hjbq3luX26Z2HigXcEmCouHzB/VSmn57ffiPjFSnjiWSJZ4IRCbNPfh1L443cOWiYasS8oXyTg8/ASvPyOTRqcWU2tl3GlU5aAq7G5C/lFq8JxFDnnhznQ+W
vsGeLkQVws+CDl6Ph6CsCYXgRoWppysbA/h/6ph9JMflQauhdOn6k3tlCnFKqQVg5FsV2ZdgNPGKT8PThk9Uktfj+UEstv8dwfayLg0hpIFFdUXRULLadE82
uf/GGM57OO4fLb3wz970ES11U7uqzUjGZ4+TsPCssDB4qkQaNlXQGdOkZVVrwE8qGBYGM6nRkZ1T7Jw+tjHmi8Z2a61WQ/WldxSOnv4tDBlNQWnZe24CA634
rB6qiXGCuD/21115n7GR58bbuRj1O2TTO74c7NepQyQ3v5DxazVu7lAOXxx3kn+eNclXbQxzyNCtkIiVrycYjZX8njwjnXwG8qfgTA8qtg/6XmfrWUN6foM8
/gbbiYtpcSNN4NVJPiakpi2IaZDq3PcSrrWOV2yG7LKnRflR7979XCUSl7mDOxie1dsbrldNSj4YhjnQi4gsdRSi/qVH27zJ4bMSsz2MXp4EDabDhysTtGvp
YJ3iDIl3QCWyzd+i9zSPqJywbztvC1r3a0Sqxo8dO8Rh7jVKIvLYs5CQNYhfhbcX8x6D3EEzMvTQZNZ0pqkvfLr5opwwH4O1fXKI2Q7+gCUIP1LO+AAAAMJJ
Yn/hRyhmAAHuBOkMAAA5//a4scRn+wIAAAAABFla
FILE
mkdir -p "$folder/reader/src"
cat > "$folder/reader/Cargo.toml" <<'TOML'
[package]
name = "reader"
version = "0.0.0"
edition = "2024"

[dependencies]
pytorch-reader = "=0.22.1"

[workspace]
TOML
cat > "$folder/reader/src/main.rs" <<'RUST'
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let reader = pytorch_reader::PytorchReader::new(path).unwrap();
    let bytes = reader.get("imaginary").unwrap().read().unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    println!("imaginary {values:?}");
    assert_eq!(values, [0.0, 1.0, 2.0]);
    assert!(values[1] != -1.0);
}
RUST
cargo run --quiet --manifest-path "$folder/reader/Cargo.toml" -- "$folder/signs.pt"
