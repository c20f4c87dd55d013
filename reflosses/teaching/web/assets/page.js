// Theme, search, previews of equations, and regions that scroll. Classic script: it works from a folder.
"use strict";
const reflosses = {};
(() => {
  const page = document.documentElement;
  const root = page.dataset.root;

  // ---- theme: as the system has it, light, dark

  const themes = ["", "light", "dark"];
  const button = document.getElementById("theme");
  function theme(name) {
    page.dataset.theme = name;
    button.textContent = `Theme: ${name || "auto"}`;
    try {
      localStorage.setItem("theme", name);
    } catch { /* a browser may forbid it for files */ }
  }
  theme(page.dataset.theme || "");
  button.addEventListener("click", () => theme(themes[(themes.indexOf(page.dataset.theme) + 1) % 3]));

  // ---- the list of pages is folded on narrow screens

  const list = document.querySelector("nav.pages details");
  if (!matchMedia("(min-width: 64rem)").matches) list.open = false;
  const pages = document.querySelector("nav.pages");
  const here = pages.querySelector("[aria-current]");
  if (here) pages.scrollTop = here.offsetTop - pages.clientHeight / 2;

  // ---- what scrolls can be reached by keyboard

  function scrolling() {
    for (const part of document.querySelectorAll("pre.code, .equation .formula, .table, main p")) {
      if (part.scrollWidth > part.clientWidth + 1) {
        part.tabIndex = 0;
      } else {
        part.removeAttribute("tabindex");
      }
    }
  }
  addEventListener("load", scrolling);
  addEventListener("resize", scrolling);
  document.addEventListener("toggle", scrolling, true);

  // ---- a link to an equation shows it

  const preview = document.createElement("div");
  preview.className = "preview";
  preview.hidden = true;
  preview.setAttribute("aria-hidden", "true");
  document.body.append(preview);
  function show(event) {
    const link = event.target.closest?.("a.reference");
    const equation = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!equation) return;
    preview.replaceChildren(equation.querySelector(".formula").cloneNode(true));
    preview.hidden = false;
    const at = link.getBoundingClientRect();
    const left = Math.max(12, Math.min(at.left - 24, innerWidth - preview.offsetWidth - 12));
    const above = at.top - preview.offsetHeight - 10;
    preview.style.left = `${left + scrollX}px`;
    preview.style.top = `${(above > 60 ? above : at.bottom + 10) + scrollY}px`;
  }
  const hide = () => { preview.hidden = true; };
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, show);
  for (const name of ["mouseout", "focusout"]) document.addEventListener(name, hide);
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // ---- search

  const query = document.getElementById("query");
  const results = document.getElementById("results");
  let rows = null;

  reflosses.found = (index) => {
    rows = index.map(([address, title, heading, words]) => ({
      address, title, heading, words, low: [title.toLowerCase(), heading.toLowerCase(), words.toLowerCase()],
    }));
    search();
  };

  function load() {
    if (document.getElementById("index")) return;
    const script = document.createElement("script");
    script.id = "index";
    script.src = `${root}assets/search.js`;
    document.head.append(script);
  }

  function score(row, words) {
    let total = 0;
    for (const word of words) {
      const places = row.low.map((text) => text.indexOf(word));
      const found = places[1] >= 0 ? 6 : places[0] >= 0 ? 4 : places[2] >= 0 ? 1 : 0;
      if (!found) return 0;
      total += found + (row.low[1] === word || row.low[0] === word ? 6 : 0);
    }
    return total;
  }

  function excerpt(row, words) {
    const first = Math.max(0, Math.min(...words.map((word) => row.low[2].indexOf(word)).filter((n) => n >= 0), 1e9) - 40);
    const text = row.words.slice(first === 1e9 - 40 ? 0 : first).slice(0, 130);
    return (first && first < 1e8 ? "…" : "") + text;
  }

  function search() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    results.replaceChildren();
    results.hidden = !words.length;
    if (!words.length || !rows) return;
    const best = rows.map((row) => [score(row, words), row]).filter(([n]) => n).sort((a, b) => b[0] - a[0]).slice(0, 10);
    for (const [, row] of best) {
      const link = document.createElement("a");
      link.href = root + row.address;
      const title = document.createElement("b");
      title.textContent = row.heading === row.title ? row.title : `${row.title}: ${row.heading}`;
      const text = document.createElement("span");
      text.textContent = excerpt(row, words);
      link.append(title, text);
      results.append(link);
    }
    if (!best.length) results.textContent = "Nothing found.";
  }

  function along(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...results.querySelectorAll("a")];
    if (event.key === "Escape") {
      results.hidden = true;
      query.focus();
    } else if (event.key === "Enter" && event.target === query && links.length) {
      location.href = links[0].href;
    } else if (step && links.length) {
      event.preventDefault();
      const next = links.indexOf(document.activeElement) + step;
      (links[next] ?? query).focus();
    }
  }

  query.addEventListener("focus", () => { load(); search(); });
  query.addEventListener("input", search);
  document.querySelector(".search").addEventListener("keydown", along);
  document.addEventListener("click", (event) => { if (!event.target.closest(".search")) results.hidden = true; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, [role=slider]")) {
      event.preventDefault();
      query.focus();
    }
  });
})();
