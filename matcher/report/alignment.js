"use strict";
// Both pictures of a pair in squares, or one after the other.
const pairs = [...document.querySelectorAll("canvas.pair")].map((canvas) => {
  const pictures = JSON.parse(canvas.dataset.pair).map((data) => {
    const picture = new Image();
    picture.onload = () => draw();
    picture.src = "data:image/webp;base64," + data;
    return picture;
  });
  return { canvas, pictures };
});
const squares = document.getElementById("squares");
const blink = document.getElementById("blink");
let shown = -1;
let timer = 0;
function draw() {
  const number = Number(squares.value);
  for (const { canvas, pictures } of pairs) {
    if (!pictures.every((picture) => picture.complete && picture.naturalWidth)) continue;
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.drawImage(pictures[shown === 1 ? 1 : 0], 0, 0, width, height);
    if (shown >= 0) continue;
    const other = pictures[1];
    for (let i = 0; i < number; i++) {
      for (let j = i % 2; j < number; j += 2) {
        const [fx, fy] = [j / number, i / number];
        const [sw, sh] = [other.naturalWidth / number, other.naturalHeight / number];
        context.drawImage(other, fx * other.naturalWidth, fy * other.naturalHeight, sw, sh,
          fx * width, fy * height, width / number, height / number);
      }
    }
  }
}
squares.addEventListener("input", draw);
blink.addEventListener("click", () => {
  clearInterval(timer);
  const on = shown < 0;
  shown = on ? 0 : -1;
  blink.setAttribute("aria-pressed", String(on));
  if (on) timer = setInterval(() => { shown = 1 - shown; draw(); }, 700);
  draw();
});
