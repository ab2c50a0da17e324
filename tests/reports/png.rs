//! As much of PNG as a browser's screenshots are made of: eight bits, colour, no interlacing.

use std::collections::HashMap;
use std::io::Read as _;

/// Pixels, row by row.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    pub fn parse(file: &[u8]) -> Self {
        assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (width, height) = (number(16), number(20));
        let depth = match file[24..29] {
            [8, 2, 0, 0, 0] => 3,
            [8, 6, 0, 0, 0] => 4,
            ref other => panic!("no screenshot: {other:?}"),
        };
        let (mut at, mut packed) = (8, Vec::new());
        while at < file.len() {
            let length = number(at);
            if &file[at + 4..at + 8] == b"IDAT" {
                packed.extend_from_slice(&file[at + 8..at + 8 + length]);
            }
            at += length + 12;
        }
        let mut raw = Vec::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut raw).unwrap();
        let mut above = vec![0; width * depth];
        let mut pixels = Vec::new();
        for line in raw.chunks_exact(1 + width * depth) {
            above = unfiltered(line[0], &line[1..], &above, depth);
            pixels.extend(above.chunks_exact(depth).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        }
        assert_eq!(pixels.len(), width * height);
        Self { width, height, pixels }
    }

    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// How often each colour is there.
    pub fn colours(&self) -> HashMap<[u8; 3], usize> {
        let mut colours = HashMap::new();
        for pixel in &self.pixels {
            *colours.entry(*pixel).or_default() += 1;
        }
        colours
    }
}

fn unfiltered(filter: u8, line: &[u8], above: &[u8], depth: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(line.len());
    for (index, byte) in line.iter().enumerate() {
        let (left, corner) = if index >= depth { (out[index - depth], above[index - depth]) } else { (0, 0) };
        let up = above[index];
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => up,
            3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
            4 => paeth(left, up, corner),
            other => panic!("filter {other}"),
        };
        out.push(byte.wrapping_add(guess));
    }
    out
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let guess = a + b - c;
    let (to_a, to_b, to_c) = ((guess - a).abs(), (guess - b).abs(), (guess - c).abs());
    if to_a <= to_b && to_a <= to_c {
        left
    } else if to_b <= to_c {
        up
    } else {
        corner
    }
}
