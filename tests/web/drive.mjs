// Opens every page of the site in Chromium and writes down what it sees, as JSON; test_site.py judges it.
//
//   node drive.mjs SITE MODULES CHROMIUM OUT [PART PARTS [PAGE …]]
"use strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , site, modules, executablePath, out, part = "0", parts = "1", ...only] = process.argv;
const require = createRequire(path.join(path.resolve(modules), "here.js"));
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const root = path.resolve(site);
const POSITIONS = 70;
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];

function* files(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const whole = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* files(whole);
    else if (entry.name.endsWith(".html")) yield path.relative(root, whole);
  }
}

function random(seed) {  // a small generator, so that a failure comes again
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}

async function opened(context, name, seen) {
  const page = await context.newPage();
  const loaded = new Set();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) seen.errors.push(message.text()); });
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("requestfailed", (request) => seen.errors.push(`failed: ${request.url()}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(pathToFileURL(root).href) && !url.startsWith("data:")) seen.outside.push(url);
    else loaded.add(decodeURI(url).split("#")[0]);
  });
  await page.goto(pathToFileURL(path.join(root, name)).href, { waitUntil: "load" });
  seen.loaded = [...loaded].filter((url) => url.startsWith("file:")).map((url) => url.slice(pathToFileURL(root).href.length + 1));
  return page;
}

const firstView = (page) => page.evaluate(() => new Promise((resolve) => {
  const now = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const wait = () => (now() === undefined ? requestAnimationFrame(wait) : resolve(now()));
  wait();
}));

const layout = (page) => page.evaluate(() => ({
  width: innerWidth,
  needs: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
}));

const mathematics = (page) => page.evaluate(() => {
  const copy = document.querySelector("main").cloneNode(true);
  for (const part of copy.querySelectorAll("pre, code, script, .katex, noscript")) part.remove();
  return {
    set: document.querySelectorAll("main .katex").length,
    wrong: document.querySelectorAll(".katex-error").length,
    raw: (copy.textContent.match(/.{0,30}[$\ue000\ue001].{0,30}/g) ?? []),
  };
});

async function accessibility(page) {
  await page.evaluate(axe);
  return page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, {
      runOnly: { type: "tag", values: tags },
      resultTypes: ["violations"],
      preload: false,  // it would fetch the style sheets, which no page may do from a folder
    });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary.slice(0, 300)}`);
  }, TAGS);
}

const state = (page, id) => page.evaluate((name) => {
  const figure = document.getElementById(name);
  return { ...JSON.parse(figure.dataset.state), now: Number(figure.querySelector("[role=slider]").getAttribute("aria-valuenow")) };
}, id);

async function figure(page, id, seed) {
  const next = random(seed);
  const states = [];
  await page.locator(`#${id}`).scrollIntoViewIfNeeded();
  await page.waitForFunction((name) => document.getElementById(name).dataset.state, id);
  const note = async (by) => states.push({ by, ...(await state(page, id)) });
  await note("start");
  await page.locator(`#${id} [role=slider]`).focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowUp", "PageUp", "ArrowLeft", "PageDown", "Home", "ArrowRight", "End", "ArrowDown"]) {
    await page.keyboard.press(key);
    await note(key);
  }
  const sliders = await page.locator(`#${id} input[type=range]`).all();
  while (states.length < POSITIONS) {
    if (sliders.length && states.length % 3 === 0) {
      const slider = sliders[Math.floor(next() * sliders.length)];
      await slider.focus();
      for (let n = 1 + Math.floor(next() * 4); n; n--) await page.keyboard.press(next() < 0.5 ? "ArrowRight" : "ArrowLeft");
      await note("slider");
    }
    const drawing = page.locator(`#${id} .drawing svg`);
    await drawing.scrollIntoViewIfNeeded();
    const box = await drawing.boundingBox();
    const spot = [box.x + 50 + next() * (box.width - 68), box.y + 60 + next() * 60];
    if (states.length % 5 === 0) {
      await page.touchscreen.tap(...spot);
      await note("touch");
    } else {
      await page.mouse.move(spot[0] - 20, spot[1]);
      await page.mouse.down();
      await page.mouse.move(...spot);
      await page.mouse.up();
      await note("mouse");
    }
  }
  return states;
}

async function search(page) {
  await page.keyboard.press("/");
  await page.keyboard.type("clip huber");
  await page.waitForSelector("#results a");
  const found = await page.locator("#results a").evaluateAll((links) => links.map((link) => link.textContent));
  await page.keyboard.press("Enter");
  await page.waitForURL(/huber\.html/);
  return { found, address: page.url() };
}

// How far from the top a heading is, once the page that was opened at it has come to rest.
async function landing(context, address) {
  const page = await context.newPage();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto(`${pathToFileURL(root).href}/${address}`, { waitUntil: "load" });
  await page.waitForTimeout(1000);
  const top = await page.evaluate((id) => document.getElementById(id).getBoundingClientRect().top, address.split("#")[1]);
  await page.close();
  return top;
}

async function themes(page) {
  const look = () => page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]);
  const looks = [await look()];
  for (let n = 0; n < 3; n++) {
    await page.click("#theme");
    looks.push(await look());
  }
  return looks;
}

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});
const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 360, height: 740 };
const context = await browser.newContext({ viewport: DESKTOP, hasTouch: true, colorScheme: "light" });

const names = only.length ? only : [...files(root)].sort();
const pages = {};
for (const [count, name] of names.entries()) {
  if (count % Number(parts) !== Number(part)) continue;
  const thorough = !name.startsWith("source/") || /^source\/(index|losses\/huber)\.html$/.test(name);
  const seen = (pages[name] = { errors: [], outside: [], thorough });
  const page = await opened(context, name, seen);
  seen.firstView = await firstView(page);
  for (let n = 0; n < 2 && seen.firstView > 700; n++) {  // the machine may have been busy
    await page.reload({ waitUntil: "load" });
    seen.firstView = Math.min(seen.firstView, await firstView(page));
  }
  seen.mathematics = await mathematics(page);
  seen.layouts = [await layout(page)];
  if (thorough) seen.light = await accessibility(page);
  for (const id of ["movable", "digits"]) {
    if (await page.locator(`#${id}`).count()) seen[id] = await figure(page, id, 1 + count);
  }
  if (thorough) {
    await page.emulateMedia({ colorScheme: "dark" });
    seen.dark = await accessibility(page);
    await page.emulateMedia({ colorScheme: "light" });
  }
  await page.setViewportSize(PHONE);
  seen.layouts.push(await layout(page));
  if (name === "index.html") {
    await page.setViewportSize(DESKTOP);
    seen.themes = await themes(page);
    seen.search = await search(page);
    seen.landing = await landing(context, "cross_entropy.html#floating-point");
  }
  await page.close();
}
await browser.close();
fs.writeFileSync(out, JSON.stringify(pages));
