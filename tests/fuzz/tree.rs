//! Mutations of files that are boxes in boxes (MP4) or elements in elements (Matroska): a
//! node somewhere is changed, dropped, doubled or moved, and the sizes around it stay right,
//! so that what is wrong is found deep inside and not at the door.

use crate::mutate;
use crate::random::Random;

/// How a file's nodes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Boxes: 32 bits of size, four letters.
    Mp4,
    /// Elements of EBML.
    Matroska,
}

/// A box or an element.
#[derive(Debug, Clone)]
struct Node {
    name: Vec<u8>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Bytes(Vec<u8>),
    Nodes(Vec<Node>),
}

/// Boxes and elements that hold others.
const HOLDERS: [&[u8]; 23] = [
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"edts",
    b"mvex",
    b"moof",
    b"traf",
    &[0x18, 0x53, 0x80, 0x67],
    &[0x11, 0x4d, 0x9b, 0x74],
    &[0x4d, 0xbb],
    &[0x15, 0x49, 0xa9, 0x66],
    &[0x16, 0x54, 0xae, 0x6b],
    &[0xae],
    &[0xe0],
    &[0xe1],
    &[0x1c, 0x53, 0xbb, 0x6b],
    &[0xbb],
    &[0xb7],
    &[0x1f, 0x43, 0xb6, 0x75],
    &[0xa0],
    &[0x1a, 0x45, 0xdf, 0xa3],
];

/// Mutates a file: mostly as a tree, sometimes as mere bytes.
pub fn mutate(random: &mut Random, kind: Kind, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut file = input.to_vec();
    if !random.once_in(4)
        && let Some(mut nodes) = parse(kind, input)
    {
        let others = parse(kind, other).unwrap_or_default();
        for _ in 0..random.rounds() {
            change(random, &mut nodes, &others);
        }
        file = write(kind, &nodes);
    }
    if random.once_in(3) {
        for _ in 0..random.rounds() {
            mutate::bytes(random, &mut file, other);
        }
    }
    file
}

fn change(random: &mut Random, nodes: &mut Vec<Node>, others: &[Node]) {
    if nodes.is_empty() {
        return;
    }
    let at = random.below(nodes.len());
    if random.once_in(10) {
        let to = random.below(nodes.len());
        match random.below(4) {
            0 => drop(nodes.remove(at)),
            1 => nodes.insert(to, nodes[at].clone()),
            2 => nodes.swap(at, to),
            _ if others.is_empty() => nodes.truncate(at),
            _ => nodes[at] = random.pick(others).clone(),
        }
        return;
    }
    match &mut nodes[at].body {
        Body::Nodes(inner) => {
            let twin = others.iter().find_map(|node| match &node.body {
                Body::Nodes(inner) => Some(inner.as_slice()),
                Body::Bytes(_) => None,
            });
            change(random, inner, twin.unwrap_or_default());
        }
        // Long ones are payload: their first bytes matter more than the rest.
        Body::Bytes(bytes) if bytes.len() > 1_024 => {
            let rest = bytes.split_off(256);
            mutate::bytes(random, bytes, &[]);
            bytes.extend(rest);
        }
        Body::Bytes(bytes) => mutate::bytes(random, bytes, &[0xff; 16]),
    }
}

fn parse(kind: Kind, mut input: &[u8]) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    while !input.is_empty() {
        let (name, size, rest) = match kind {
            Kind::Mp4 => head_of_box(input)?,
            Kind::Matroska => head_of_element(input)?,
        };
        let size = size.min(rest.len());
        let body = &rest[..size];
        let holds = HOLDERS.contains(&name);
        let inner = if holds { parse(kind, body) } else { None };
        nodes.push(Node {
            name: name.to_vec(),
            body: inner.map_or_else(|| Body::Bytes(body.to_vec()), Body::Nodes),
        });
        input = &rest[size..];
    }
    Some(nodes)
}

fn head_of_box(input: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let (head, rest) = input.split_at_checked(8)?;
    let size = u32::from_be_bytes(head[..4].try_into().unwrap());
    let size = usize::try_from(size).unwrap().checked_sub(8)?;
    Some((&head[4..], size, rest))
}

fn head_of_element(input: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let width = |byte: u8| usize::try_from(byte.leading_zeros()).unwrap() + 1;
    let id = width(*input.first()?);
    let (name, rest) = input.split_at_checked(id)?;
    let length = width(*rest.first()?);
    let (size, rest) = rest.split_at_checked(length)?;
    let size = size
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = 1_u64.checked_shl(u32::try_from(7 * length).unwrap())?;
    // A size of ones only is unknown: to the end.
    let size = if size & (mask - 1) == mask - 1 {
        u64::MAX
    } else {
        size & (mask - 1)
    };
    Some((name, usize::try_from(size).unwrap(), rest))
}

fn write(kind: Kind, nodes: &[Node]) -> Vec<u8> {
    let mut file = Vec::new();
    for node in nodes {
        let body = match &node.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Nodes(nodes) => write(kind, nodes),
        };
        let size = u32::try_from(body.len()).unwrap();
        match kind {
            Kind::Mp4 => {
                file.extend((size + 8).to_be_bytes());
                file.extend(&node.name);
            }
            Kind::Matroska => {
                file.extend(&node.name);
                file.extend((size | 0x1000_0000).to_be_bytes());
            }
        }
        file.extend(body);
    }
    file
}
