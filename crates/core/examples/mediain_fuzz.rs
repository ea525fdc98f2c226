use cattube_core::{chunking, container::{self, IndexError, SparseBytes}, slice};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let seconds: u64 = args[1].parse().unwrap();
    let files: Vec<Vec<u8>> = args[2..].iter().map(|p| std::fs::read(p).unwrap()).collect();
    let all: Vec<Vec<usize>> = files.iter().map(|f| [&b"moov"[..], b"moof", b"\x16\x54\xae\x6b", b"\x1c\x53\xbb\x6b", b"\x11\x4d\x9b\x74"].iter().filter_map(|k| f.windows(4).position(|w| w == *k)).collect()).collect();
    let mut x: u64 = 88172645463325252 ^ std::process::id() as u64;
    let mut rnd = move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; x };
    let start = std::time::Instant::now();
    let (mut n, mut ok, mut slow) = (0u64, 0u64, 0.0f64);
    while start.elapsed().as_secs() < seconds {
        let which = (rnd() % files.len() as u64) as usize;
        let mut f = files[which].clone();
        let spots = &all[which];
        let base = if spots.is_empty() { 0 } else { spots[(rnd() % spots.len() as u64) as usize] };
        let span = 4096.min(f.len() - base) as u64;
        for _ in 0..(1 + rnd() % 6) {
            let at = base + (rnd() % span) as usize;
            f[at] = match rnd() % 4 { 0 => 0, 1 => 0xff, 2 => 0x7f, _ => rnd() as u8 };
            if rnd() % 3 == 0 { for k in 0..4 { if at + k < f.len() { f[at + k] = [0, 0xff, 0x80, 1][(rnd() % 4) as usize]; } } }
        }
        let t = std::time::Instant::now();
        let mut b = SparseBytes::new(f.len() as u64);
        let mut reads = 0;
        let r = loop {
            match container::index(&b) {
                Err(IndexError::Need(r)) => { reads += 1; assert!(reads < 100_000); assert!(r.start < r.end && r.end <= f.len() as u64); let part = f[r.start as usize..r.end as usize].to_vec(); b.insert(r.start, part); }
                other => break other,
            }
        };
        if let Ok(i) = r {
            ok += 1;
            let cuts = chunking::cut_video(&i.video, 4000);
            for c in cuts.iter().take(20) { let s = slice::slice_video(&i, *c); assert!(!s.parts.is_empty()); }
            chunking::shift_ticks(&i.video);
            if let Some(a) = &i.audio { for c in chunking::cut_audio(a).into_iter().take(20) { slice::slice_audio(&i, a, c); } }
        }
        let took = t.elapsed().as_secs_f64();
        if took > slow { slow = took; eprintln!("slowest {took:.3}s reads {reads} {}", args[2 + which]); if took > 3.0 { std::fs::write("/tmp/mi/slow.bin", &f).unwrap(); } }
        n += 1;
    }
    println!("{n} runs, {ok} ok");
}
