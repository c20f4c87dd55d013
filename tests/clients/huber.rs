// Huber(delta=0.7, reduction="none") in float64: rustc --edition 2021 -O -o huber huber.rs
use std::io::{stdin, stdout, BufRead, BufWriter, Read, Write};
const DELTA: f64 = 0.7;
fn loss(y: f64, yhat: f64) -> f64 {
    let a = (yhat - y).abs();
    if a <= DELTA { a * a / 2.0 } else { DELTA * (a - DELTA / 2.0) }
}
fn slope(y: f64, yhat: f64) -> f64 { (yhat - y).clamp(-DELTA, DELTA) }
// ---- reflosses asks, and this program answers ----
fn list(line: &str, key: &str) -> Vec<f64> { // Infinity and NaN stand in quotes
    let text = line.split(key).nth(1).unwrap().split(']').next().unwrap();
    text.split(", ").filter(|x| !x.is_empty()).map(|x| x.trim_matches('"').parse().unwrap()).collect()
}
fn main() -> std::io::Result<()> {
    let (mut input, mut output, mut line) = (stdin().lock(), BufWriter::new(stdout().lock()), String::new());
    input.read_line(&mut line)?;
    let known = line.contains("\"float64\"");
    writeln!(output, "{}", if known { r#"{"reflosses": 1, "binary": true}"# } else { r#"{"error": "float64 only"}"# })?;
    loop {
        output.flush()?;
        line.clear();
        if input.read_line(&mut line)? == 0 { return Ok(()) }
        if let Some((_, counts)) = line.split_once("\"counts\": [") { // of large arrays, which follow as bytes
            let n: usize = counts.split(',').next().unwrap().parse().unwrap();
            let mut bytes = vec![0; 16 * n];
            input.read_exact(&mut bytes)?;
            let a: Vec<f64> = bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect();
            writeln!(output, "{{\"counts\": [{n}, {n}]}}")?;
            for i in 0..n { output.write_all(&loss(a[i], a[n + i]).to_le_bytes())? }
            for i in 0..n { output.write_all(&slope(a[i], a[n + i]).to_le_bytes())? }
        } else {
            let (y, yhat) = (list(&line, "\"y\": ["), list(&line, "\"yhat\": ["));
            let texts = |f: fn(f64, f64) -> f64| {
                let each = y.iter().zip(&yhat).map(|(y, yhat)| format!("\"{:e}\"", f(*y, *yhat)));
                each.collect::<Vec<_>>().join(", ")
            };
            writeln!(output, "{{\"value\": [{}], \"gradient\": [{}]}}", texts(loss), texts(slope))?;
        }
    }
}
