// The figures that a reader moves. Formulas come from the page; nothing here knows a loss.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const FLOOR = 1e-17;  // where an error of 0 is drawn
  let clips = 0;

  function element(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function html(name, parent, properties = {}) {
    const made = Object.assign(document.createElement(name), properties);
    parent.append(made);
    return made;
  }

  // ---- numbers

  function shown(x, digits = 6, power = false) {
    if (x === null || Number.isNaN(x)) return "none";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    let text = size !== 0 && (power || size < 1e-4 || size >= 1e6) ? x.toExponential(digits - 1) : x.toPrecision(digits);
    text = text.replace(/(\.\d*?)0+(e|$)/, "$1$2").replace(/\.(e|$)/, "$1");
    return text.replace("e+", "e").replaceAll("-", "−");
  }

  function ticks(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
    return found;
  }

  function attempt(compute) {
    try {
      return compute();
    } catch {
      return null;  // no case of the formula applies: a kink
    }
  }

  // ---- the given numbers

  function entry(at, letter, place, value) {
    if (!place.length) at[letter] = value;
    else place.slice(0, -1).reduce((row, index) => row[index], at[letter])[place.at(-1)] = value;
  }

  function moved(given, figure, x) {
    const at = structuredClone(given);
    entry(at, figure.letter, figure.place, x);
    return at;
  }

  // ---- a panel: two axes in a part of the drawing

  class Panel {
    constructor(plot, box, x, y) {
      Object.assign(this, { box, x, y });
      this.group = element("g", {}, plot);
      this.clip = `clip${clips++}`;
      const path = element("clipPath", { id: this.clip }, this.group);
      element("rect", { x: box.left, y: box.top, width: box.width, height: box.height }, path);
    }

    left(x) { return this.box.left + (x - this.x[0]) / (this.x[1] - this.x[0]) * this.box.width; }
    top(y) { return this.box.top + (this.y[1] - y) / (this.y[1] - this.y[0]) * this.box.height; }
    value(left) { return this.x[0] + (left - this.box.left) / this.box.width * (this.x[1] - this.x[0]); }

    axes(across, up, title) {
      const { left, top, width, height } = this.box;
      for (const [y, label] of up) {
        element("line", { class: "grid", x1: left, x2: left + width, y1: this.top(y), y2: this.top(y) }, this.group);
        element("text", { class: "mark", x: left - 8, y: this.top(y) + 4, "text-anchor": "end" }, this.group, label);
      }
      for (const [x, label] of across) {
        const at = this.left(x);
        element("line", { class: "tick", x1: at, x2: at, y1: top + height, y2: top + height + 4 }, this.group);
        if (label) {
          element("text", { class: "mark", x: at, y: top + height + 18, "text-anchor": "middle" }, this.group, label);
        }
      }
      element("line", { class: "axis", x1: left, x2: left + width, y1: top + height, y2: top + height }, this.group);
      element("text", { class: "title", x: left, y: top - 9 }, this.group, title);
    }

    curve(points, kind) {
      let path = "";
      let pen = "M";
      for (const [x, y] of points) {
        if (y === null || !Number.isFinite(y)) { pen = "M"; continue; }
        path += `${pen}${this.left(x).toFixed(2)} ${this.top(y).toFixed(2)}`;
        pen = "L";
      }
      element("path", { class: `curve ${kind}`, d: path, "clip-path": `url(#${this.clip})` }, this.group);
    }

    line(x, y, slope) {
      const [low, high] = this.x;
      const ends = { x1: this.left(low), y1: this.top(y + slope * (low - x)), x2: this.left(high), y2: this.top(y + slope * (high - x)) };
      element("line", { class: "tangent", ...ends, "clip-path": `url(#${this.clip})` }, this.group);
    }

    dot(x, y, kind) {
      if (y === null || !Number.isFinite(y) || y > this.y[1] || y < this.y[0]) return;
      element("circle", { class: `dot ${kind}`, cx: this.left(x), cy: this.top(y), r: 4.5 }, this.group);
    }

    guide(x) {
      const { top, height } = this.box;
      element("line", { class: "guide", x1: this.left(x), x2: this.left(x), y1: top, y2: top + height }, this.group);
    }
  }

  // ---- a handle: a slider on the drawing, moved by mouse, finger and keyboard

  class Handle {
    constructor(drawing, count, label, move) {
      Object.assign(this, { drawing, count, move, number: 0 });
      this.group = element("g", {
        class: "handle", role: "slider", tabindex: 0, "aria-label": label,
        "aria-valuemin": 0, "aria-valuemax": count - 1,
      }, drawing);
      element("circle", { class: "ring", r: 17 }, this.group);
      element("circle", { class: "knob", r: 8 }, this.group);
      this.group.addEventListener("keydown", (event) => this.key(event));
      drawing.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        drawing.setPointerCapture(event.pointerId);
        this.group.focus({ preventScroll: true });
        this.drag(event);
        event.preventDefault();
      });
      drawing.addEventListener("pointermove", (event) => {
        if (drawing.hasPointerCapture(event.pointerId)) this.drag(event);
      });
    }

    drag(event) {
      this.move(this.nearest(event.clientX - this.drawing.getBoundingClientRect().left));
    }

    key(event) {
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
      let number = this.number + (steps[event.key] ?? 0) * (event.shiftKey ? 10 : 1);
      if (event.key === "Home") number = 0;
      else if (event.key === "End") number = this.count - 1;
      else if (!(event.key in steps)) return;
      event.preventDefault();
      this.move(Math.max(0, Math.min(this.count - 1, number)));
    }

    show(number, left, top, value, text) {
      this.number = number;
      this.group.setAttribute("transform", `translate(${left.toFixed(2)} ${top.toFixed(2)})`);
      this.group.setAttribute("aria-valuenow", number);
      this.group.setAttribute("aria-valuetext", text);
    }
  }

  function readout(place, names) {
    const list = html("dl", place);
    return names.map(([name, kind]) => {
      const pair = html("div", list, { className: kind });
      html("dt", pair, { textContent: name });
      return html("dd", pair);
    });
  }

  function drawingIn(figure, label) {
    const drawing = element("svg", { role: "group", "aria-label": label });
    figure.querySelector(".drawing").append(drawing);
    return [drawing, element("g", {}, drawing)];  // the plot is drawn anew; the handle stays, and keeps the focus
  }

  function redrawn(figure, draw) {
    let width = 0;
    new ResizeObserver(() => {
      const now = figure.querySelector(".drawing").clientWidth;
      if (now && now !== width) draw(width = now);
    }).observe(figure);
  }

  // ---- the loss and its slope, with a tangent

  reflosses.movable = (figure, spec, formulas) => {
    const count = Math.round((spec.high - spec.low) / spec.step) + 1;
    const position = (number) => Number((spec.low + number * spec.step).toPrecision(12));
    const given = structuredClone(spec.given);
    const [drawing, plot] = drawingIn(figure, figure.getAttribute("aria-label"));
    const [showX, showValue, showGrad] = readout(figure.querySelector(".readout"), [
      [spec.label, "place"], ["loss", "value"], ["slope", "grad"],
    ]);
    let number = Math.round((spec.start - spec.low) / spec.step);
    let width = 0;

    const numbers = (x) => {
      const at = moved(given, spec, x);
      return { at, value: attempt(() => formulas.value(at)), grad: attempt(() => formulas.grad(at, ...spec.indices)) };
    };

    const handle = new Handle(drawing, count, spec.label, (to) => { number = to; draw(); });
    handle.nearest = (left) => {
      const x = handle.panel.value(left);
      return Math.max(0, Math.min(count - 1, Math.round((x - spec.low) / spec.step)));
    };

    function bounds(points, most) {
      const finite = points.map(([, y]) => y).filter((y) => y !== null && Number.isFinite(y));
      let low = Math.min(0, ...finite);
      let high = Math.max(0, ...finite);
      if (most) [low, high] = [Math.max(low, -most), Math.min(high, most)];
      const room = 0.06 * (high - low || 1);
      return [low - (most || low < 0 ? room : 3 * room), high + room];
    }

    function draw() {
      if (!width) return;
      const tall = width < 520 ? [190, 120] : [250, 140];
      drawing.setAttribute("width", width);
      drawing.setAttribute("height", tall[0] + tall[1] + 96);
      plot.replaceChildren();
      const points = Array.from({ length: count }, (_, n) => [position(n), numbers(position(n))]);
      const values = points.map(([x, all]) => [x, all.value]);
      const grads = points.map(([x, all]) => [x, all.grad]);
      const across = ticks(spec.low, spec.high, width < 520 ? 4 : 8).map((x) => [x, shown(x, 4)]);
      const box = { left: 48, width: width - 64 };
      const x = [spec.low, spec.high];
      const upper = new Panel(plot, { ...box, top: 24, height: tall[0] }, x, bounds(values));
      const lower = new Panel(plot, { ...box, top: 24 + tall[0] + 44, height: tall[1] }, x, bounds(grads, spec.steepest));
      const marks = (panel, n) => ticks(...panel.y, n).map((y) => [y, shown(y, 4)]);
      upper.axes(across.map(([at]) => [at, ""]), marks(upper, 5), "loss");
      lower.axes(across, marks(lower, 4), "slope");
      const here = position(number);
      const { at, value, grad } = numbers(here);
      upper.guide(here);
      lower.guide(here);
      if (value !== null && grad !== null) upper.line(here, value, grad);
      upper.curve(values, "value");
      lower.curve(grads, "grad");
      lower.dot(here, grad, "grad");
      handle.panel = upper;
      const text = `${spec.label} = ${shown(here)}, loss ${shown(value)}, slope ${shown(grad)}`;
      handle.show(number, upper.left(here), upper.top(Math.min(value ?? 0, upper.y[1])), here, text);
      showX.textContent = shown(here);
      const digits = width < 520 ? 6 : 9;
      showValue.textContent = shown(value, digits);
      showGrad.textContent = grad === null ? "none: a kink" : shown(grad, digits);
      figure.dataset.state = JSON.stringify({ at, value, grad });
    }

    for (const slider of spec.sliders) {
      const label = html("label", figure.querySelector(".sliders"));
      html("span", label, { className: "name", textContent: slider.label });
      const input = html("input", label, { type: "range", min: slider.low, max: slider.high, step: slider.step, value: slider.start });
      const output = html("output", label);
      const set = () => {
        const value = Number(input.value);
        if (slider.oneHot) given[slider.letter] = given[slider.letter].map((_, n) => (n === value ? 1 : 0));
        else entry(given, slider.letter, slider.place, value);
        output.textContent = shown(value, 4);
        draw();
      };
      input.addEventListener("input", set);
      set();
    }
    redrawn(figure, (now) => { width = now; draw(); });
  };

  // ---- the displayed formula in float64 against certified numbers

  reflosses.digits = (figure, spec, formulas, table) => {
    const count = table.x.length;
    const [drawing, plot] = drawingIn(figure, figure.getAttribute("aria-label"));
    const places = readout(figure.querySelector(".readout"), [
      [spec.label, "place"], ["loss, as displayed", "value"], ["loss, certified", "value"],
      ["loss, reflosses", "value"], ["slope, as displayed", "grad"], ["slope, certified", "grad"],
      ["slope, reflosses", "grad"],
    ]);
    const rows = table.x.map((x, n) => {
      const at = moved(spec.given, spec, x);
      const value = attempt(() => formulas.value(at));
      const grad = attempt(() => formulas.grad(at, ...spec.indices));
      return { x, value, grad, errors: [error(value, table.value[n]), error(grad, table.grad[n])] };
    });
    let number = rows.reduce((best, row, n) => (worst(row) < worst(rows[best]) ? n : best), 0);
    let width = 0;

    function worst({ errors }) {  // how far from an error of one per cent, where it is worth looking
      return Math.abs(Math.log10(Math.max(...errors.map((size) => size ?? FLOOR))) + 2);
    }

    function error(got, exact) {
      if (exact === null) return null;
      if (got === null || !Number.isFinite(got)) return 1;
      const size = exact === 0 ? (got === 0 ? 0 : 1) : Math.abs((got - exact) / exact);
      return Math.min(1, Math.max(FLOOR, size));
    }

    const scale = table.log ? Math.log10 : (x) => x;
    const handle = new Handle(drawing, count, spec.label, (to) => { number = to; draw(); });
    handle.nearest = (left) => {
      const x = handle.panel.value(left);
      let best = 0;
      table.x.forEach((value, n) => { if (Math.abs(scale(value) - x) < Math.abs(scale(table.x[best]) - x)) best = n; });
      return best;
    };

    function draw() {
      if (!width) return;
      drawing.setAttribute("width", width);
      drawing.setAttribute("height", 288);
      plot.replaceChildren();
      const x = [scale(table.x[0]), scale(table.x.at(-1))];
      const panel = new Panel(plot, { left: 56, width: width - 72, top: 26, height: 232 }, x, [-17.4, 0.4]);
      const marks = table.marks.map((at) => [scale(at), table.log && at !== 1 ? shown(at, 1, true) : shown(at, 3)]);
      const up = [[-17, "0"], [-16, "1e−16"], [-12, "1e−12"], [-8, "1e−8"], [-4, "1e−4"], [0, "1"]];
      panel.axes(marks, up, "relative error");
      const row = rows[number];
      panel.guide(scale(row.x));
      for (const which of [1, 0]) {
        for (const { x: at, errors } of rows) {
          if (errors[which] === null) continue;
          const spot = { cx: panel.left(scale(at)), cy: panel.top(Math.log10(errors[which])) };
          element("circle", { ...spot, r: which ? 3.2 : 1.7, class: which ? "spot grad" : "spot value" }, panel.group);
        }
      }
      handle.panel = panel;
      const size = Math.max(...row.errors.map((one) => one ?? FLOOR));
      const numbers = [row.value, table.value[number], table.ourValue[number], row.grad, table.grad[number], table.ourGrad[number]];
      const text = `${spec.label} = ${shown(row.x)}, loss ${shown(row.value)} as displayed, ${shown(table.value[number])} certified`;
      handle.show(number, panel.left(scale(row.x)), panel.top(Math.log10(size)), row.x, text);
      places[0].textContent = shown(row.x);
      numbers.forEach((value, n) => { places[n + 1].textContent = shown(value, width < 520 ? 6 : 9); });
      figure.dataset.state = JSON.stringify({
        x: row.x, value: row.value, grad: row.grad, certified: [table.value[number], table.grad[number]],
        ours: [table.ourValue[number], table.ourGrad[number]],
      });
    }
    redrawn(figure, (now) => { width = now; draw(); });
  };
})();
