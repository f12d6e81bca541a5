// Pan and zoom by the view box: buttons, wheel, drag, pinch by the wheel of a touchpad.

const MOST = 12;
const STEP = 1.5;

/** Make a map zoomable; `onChange(unitsPerPixel)` is told after each change. */
export function zoomable(map, onChange) {
  let whole = { width: 1000, height: 1000 };
  let box = { x: 0, y: 0, width: 1000, height: 1000 };
  let grip = null;

  function show() {
    box.width = Math.min(box.width, whole.width);
    box.height = (box.width * whole.height) / whole.width;
    box.x = Math.min(Math.max(box.x, 0), whole.width - box.width);
    box.y = Math.min(Math.max(box.y, 0), whole.height - box.height);
    map.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
    onChange(unitsPerPixel());
  }
  function unitsPerPixel() {
    const matrix = map.getScreenCTM();
    return matrix ? 1 / matrix.a : box.width / Math.max(map.clientWidth, 1);
  }
  function place(event) {
    const matrix = map.getScreenCTM();
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
  }
  function zoom(factor, at = { x: box.x + box.width / 2, y: box.y + box.height / 2 }) {
    const width = Math.min(Math.max(box.width / factor, whole.width / MOST), whole.width);
    const ratio = width / box.width;
    box = { ...box, x: at.x - (at.x - box.x) * ratio, y: at.y - (at.y - box.y) * ratio, width };
    show();
  }

  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, place(event));
  }, { passive: false });
  map.addEventListener("pointerdown", (event) => {
    if (event.button === 0) grip = { at: place(event), moved: false };
  });
  map.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const now = place(event);
    if (!grip.moved && Math.hypot(now.x - grip.at.x, now.y - grip.at.y) < 4 * unitsPerPixel()) return;
    if (!grip.moved) map.setPointerCapture(event.pointerId);
    grip.moved = true;
    map.classList.add("dragging");
    box = { ...box, x: box.x + grip.at.x - now.x, y: box.y + grip.at.y - now.y };
    show();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    map.addEventListener(name, () => {
      grip = null;
      map.classList.remove("dragging");
    });
  }
  document.getElementById("zoom-in").addEventListener("click", () => zoom(STEP));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / STEP));
  document.getElementById("zoom-all").addEventListener("click", () => zoom(1 / MOST));
  window.addEventListener("resize", show);
  return {
    fit(width, height) {
      whole = { width, height };
      box = { x: 0, y: 0, width, height };
      show();
    },
  };
}
