// Sets formulas: a list of {text, display} comes in as JSON, a list of {html} or {error} goes out.
"use strict";
const katex = require(process.argv[2]);
const questions = JSON.parse(require("fs").readFileSync(0, "utf8"));

// The page has the formula twice: for the eye, and as MathML for a screen reader. A third copy, as LaTeX, is left out.
function lean(html) {
  return html
    .replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    .replace(/<annotation[^>]*>[^]*?<\/annotation>/, "")
    .replace(/<\/?semantics>/g, "");
}

function set({ text, display }) {
  try {
    return { html: lean(katex.renderToString(text, { displayMode: display, strict: "error", throwOnError: true })) };
  } catch (error) {
    return { error: error.message };
  }
}

process.stdout.write(JSON.stringify(questions.map(set)));
