// WCAG 2.1 contrast of every text with what lies behind it, and of bars with their track, in the light and the dark theme.
(() => {
"use strict";
const channels = colour => colour.match(/[\d.]+/g).map(Number);
const light = colour => channels(colour).slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
const clear = colour => { const c = channels(colour); return c.length === 4 && c[3] === 0; };

function behind(element) {
  for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (!clear(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
}

function behindDrawn(text) {
  const box = text.getBBox(), x = box.x + 2, y = box.y + box.height / 2;
  const under = [...text.ownerSVGElement.querySelectorAll("rect")].filter(r => {
    const b = r.getBBox();
    return b.x <= x && x <= b.x + b.width && b.y <= y && y <= b.y + b.height;
  });
  return under.length ? getComputedStyle(under.at(-1)).fill : behind(text.ownerSVGElement.parentElement);
}

function texts() {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest("script, style, title, #measured") || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), drawn = e instanceof SVGTextElement;
    found.push([contrast(drawn ? style.fill : style.color, drawn ? behindDrawn(e) : behind(e)), node.data.trim().slice(0, 60)]);
  }
  return found;
}

function theme() {
  const all = texts(), bars = [...document.querySelectorAll(".track .bar")];
  return {
    texts: all.length, weak: all.filter(([value]) => value < 4.5),
    bars: bars.length,
    faint: bars.filter(b => contrast(getComputedStyle(b).backgroundColor, behind(b.parentElement)) < 3).map(b => b.className),
    paper: getComputedStyle(document.body).backgroundColor,
  };
}

document.querySelectorAll("details").forEach(e => { e.open = true; });
const told = {light: theme()};
for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
  if (rule instanceof CSSMediaRule && rule.media.mediaText.includes("dark")) rule.media.mediaText = "all";
told.dark = theme();
told.requests = performance.getEntriesByType("resource").map(entry => entry.name);
told.wider = document.documentElement.scrollWidth - innerWidth;
document.body.append(Object.assign(document.createElement("pre"), {id: "measured", textContent: JSON.stringify(told)}));
})();
