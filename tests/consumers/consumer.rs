// Runs the vectors of CrossEntropy on a Rust function of rows of logits and class indices, without a crate.
// rustc consumer.rs && ./consumer reflosses/data/vectors/cross_entropy.json
use std::{env, fs, process};

fn cross_entropy(label: usize, z: &[f64], wrong: bool) -> (f64, Vec<f64>) {
    let top = z.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
    let at_top = z.iter().filter(|x| **x == top).count() as f64;
    if top == f64::INFINITY && at_top == 1.0 {
        let one = |yes: bool| yes as i32 as f64; // this class takes all the probability
        let grad = (0..z.len()).map(|k| one(z[k] == top) - one(k == label)).collect();
        return (if z[label] == top { 0.0 } else { f64::INFINITY }, grad);
    }
    let e: Vec<f64> = z.iter().map(|x| (x - top).exp()).collect();
    let first = z.iter().position(|x| *x == top).unwrap_or(0);
    let rest: f64 = (0..z.len()).filter(|k| *k != first).map(|k| e[k]).sum();
    let others: f64 = (0..z.len()).filter(|k| *k != label).map(|k| e[k]).sum();
    let value = (top - z[label]) + if wrong { (1.0 + rest).ln() } else { rest.ln_1p() };
    let grad = (0..z.len()).map(|k| if k == label { -others / (1.0 + rest) } else { e[k] / (1.0 + rest) });
    (value, grad.collect())
}

fn numbers(line: &str, key: &str) -> Option<Vec<f64>> {
    let (_, rest) = line.split_once(&format!("\"{key}\": \""))?;
    rest.split_once('"')?.0.split_whitespace().map(|x| x.parse().ok()).collect()
}

fn is_right(got: f64, want: f64, tolerance: f64) -> bool {
    got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= tolerance
}

fn main() {
    let given: Vec<String> = env::args().collect();
    let text = fs::read_to_string(&given[1]).expect("a file of vectors");
    let (mut ours, mut tests, mut failed) = (false, 0, 0);
    for line in text.lines() {
        if line.starts_with("{\"parameters\"") {
            let plain = "\"axis\": -1, \"class_weight\": null, \"ignore_index\": null, \"label_smoothing\": 0.0}";
            ours = line.contains(plain) && line.contains("\"none\"") && line.contains("\"float64\"");
        }
        let skip = ["\"MustRefuse\"", "\"TargetRows\"", "\"weight\""].iter().any(|word| line.contains(word));
        if !ours || !line.starts_with("{\"id\"") || skip { continue; }
        let (y, yhat) = (numbers(line, "y").unwrap(), numbers(line, "yhat").unwrap());
        let (mut value, mut grad) = (vec![], vec![]);
        for (label, z) in y.iter().zip(yhat.chunks(yhat.len() / y.len().max(1) + yhat.is_empty() as usize)) {
            let (v, g) = cross_entropy(*label as usize, z, given.len() > 2);
            value.push(v);
            grad.extend(g);
        }
        let bad = [("value", value), ("gradient", grad)].iter().any(|(what, got)| {
            let tolerance = numbers(line, &format!("{what}_tolerance")).unwrap_or_default();
            let want = numbers(line, what).unwrap_or_default(); // none: not asked
            (0..want.len()).any(|i| !is_right(got[i], want[i], tolerance[i]))
        });
        if bad { println!("FAIL {}", line.split('"').nth(3).unwrap()); }
        (tests, failed) = (tests + 1, failed + bad as i32);
    }
    println!("{tests} tests, {failed} failed");
    process::exit((failed > 0 || tests == 0) as i32);
}
