"use strict";

/** A small map of a picture that is much larger than the window: where one is, and a click goes there. */
(() => {
  const { shape } = elements;
  const frame = document.getElementById("graph");
  const map = document.getElementById("map");
  const LARGE = 4; // times as wide or high as the window: then there is a map
  const SIDE = 150; // CSS pixels of its longer side, at most
  let sight = null;

  /** A rectangle for every thing of the picture, and one for what is in sight. */
  function draw() {
    const svg = frame.querySelector("svg");
    const { width, height } = svg.viewBox.baseVal;
    const scale = SIDE / Math.max(width, height);
    const origin = svg.getBoundingClientRect();
    const zoom = origin.width / width;
    if (zoom === 0) {
      return; // in a hidden frame; once it is seen, the picture goes on show anew
    }
    const boxes = [...svg.querySelectorAll("g.node")].map((node) => {
      const box = node.getBoundingClientRect();
      return shape("rect", {
        class: node.getAttribute("class"),
        x: (box.left - origin.left) / zoom,
        y: (box.top - origin.top) / zoom,
        width: Math.max(box.width / zoom, 2 / scale),
        height: Math.max(box.height / zoom, 2 / scale),
      });
    });
    sight = shape("rect", { class: "sight" });
    const small = shape("svg", { viewBox: `0 0 ${width} ${height}`, width: width * scale, height: height * scale }, ...boxes, sight);
    map.replaceChildren(small);
    follow();
  }

  /** Show what part of the picture is in sight. */
  function follow() {
    const svg = frame.querySelector("svg");
    const [whole, part] = [svg.getBoundingClientRect(), frame.getBoundingClientRect()];
    if (whole.width === 0) {
      return;
    }
    map.hidden = whole.width < LARGE * part.width && whole.height < LARGE * part.height;
    const zoom = whole.width / svg.viewBox.baseVal.width;
    const [x, y] = [Math.max(0, part.left - whole.left), Math.max(0, part.top - whole.top)];
    const right = Math.min(part.right, whole.right) - whole.left;
    const bottom = Math.min(part.bottom, whole.bottom) - whole.top;
    const place = { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
    for (const [name, value] of Object.entries(place)) {
      sight?.setAttribute(name, String(value / zoom));
    }
  }

  /** Bring the point of the picture under the pointer into the middle. */
  function go({ clientX, clientY }) {
    const box = map.firstElementChild.getBoundingClientRect();
    frame.scrollTo({
      left: ((clientX - box.left) / box.width) * frame.scrollWidth - frame.clientWidth / 2,
      top: ((clientY - box.top) / box.height) * frame.scrollHeight - frame.clientHeight / 2,
      behavior: "instant",
    });
  }

  new MutationObserver(draw).observe(frame, { childList: true });
  new ResizeObserver(follow).observe(frame);
  frame.addEventListener("scroll", follow, { passive: true });
  map.addEventListener("pointerdown", go);
  map.addEventListener("pointermove", (event) => event.buttons === 1 && go(event));
  draw();
})();
