"use strict";

/** The pointer on the picture. */
const pointer = (() => {
  /**
   * Clicks on the picture select, twice on a layer folds, dragging moves it, the wheel scrolls, with Ctrl it zooms.
   *
   * @param pick, toggle what is done with the id of what was clicked on once, and twice.
   * @param resized what is done when the picture has another width.
   */
  function listen({ frame, zoomBy }, { pick, toggle, resized }) {
    let grip = null;
    frame.addEventListener("click", ({ target }) => {
      const thing = target.closest("g.node") ?? target.closest("text.fold")?.closest("g.cluster");
      if (thing && !grip?.moved) {
        pick(thing.id);
      }
    });
    frame.addEventListener("dblclick", ({ target }) => {
      const thing = target.closest("g.node, g.cluster");
      if (thing?.matches("g.cluster, g.folded")) {
        toggle(thing.id);
      }
    });
    frame.addEventListener("pointerdown", ({ clientX, clientY }) => {
      const { scrollLeft, scrollTop } = frame;
      grip = { x: clientX + scrollLeft, y: clientY + scrollTop, clientX, clientY, held: true };
    });
    window.addEventListener("pointermove", ({ clientX, clientY, buttons }) => {
      if (!grip?.held || buttons !== 1) {
        return;
      }
      grip.moved ||= Math.hypot(clientX - grip.clientX, clientY - grip.clientY) > 4;
      if (grip.moved) {
        frame.classList.add("dragged");
        frame.scrollTo({ left: grip.x - clientX, top: grip.y - clientY, behavior: "instant" });
      }
    });
    window.addEventListener("pointerup", () => {
      frame.classList.remove("dragged");
      grip = grip && { ...grip, held: false };
    });
    const zoom = (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoomBy(Math.exp(-event.deltaY / 600), event.clientX, event.clientY);
      }
    };
    frame.addEventListener("wheel", zoom, { passive: false });
    // Its height changes with every status line that wraps; to zoom then would stop a scroll.
    let width = frame.clientWidth;
    new ResizeObserver(() => {
      if (frame.clientWidth !== width) {
        width = frame.clientWidth;
        resized();
      }
    }).observe(frame);
  }

  return { listen };
})();
