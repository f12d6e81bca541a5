// Pan and zoom by the view box: buttons, wheel, drag, pinch by the wheel of a touchpad.

const MOST = 12;
const STEP = 1.5;

/** Make a map zoomable; `onChange(unitsPerPixel, viewBox)` is told after each change. */
export function zoomable(map, onChange) {
  let whole = { width: 1000, height: 1000 };
  let factor = 1; // 1: the whole map is in sight, in a view box of the shape of the element, so that none of it is idle
  let centre = { x: 500, y: 500 };
  let grip = null;

  function view() {
    const { width: across, height: down } = map.getBoundingClientRect();
    const aspect = across && down ? down / across : whole.height / whole.width;
    const width = Math.max(whole.width, whole.height / aspect) / factor;
    const height = width * aspect;
    return { x: centre.x - width / 2, y: centre.y - height / 2, width, height };
  }
  /** The centre so that the view stays on the map, or around it where it is the larger. */
  const within = (at, size, most) => (size >= most ? most / 2 : Math.min(Math.max(at, size / 2), most - size / 2));
  function show() {
    const { width, height } = view();
    centre = { x: within(centre.x, width, whole.width), y: within(centre.y, height, whole.height) };
    const box = view();
    map.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
    onChange(unitsPerPixel(), box);
  }
  function unitsPerPixel() {
    return view().width / Math.max(map.getBoundingClientRect().width, 1);
  }
  function place(event) {
    const matrix = map.getScreenCTM();
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
  }
  function zoom(by, at = centre) {
    const old = factor;
    factor = Math.min(Math.max(factor * by, 1), MOST);
    const ratio = old / factor;
    centre = { x: at.x + (centre.x - at.x) * ratio, y: at.y + (centre.y - at.y) * ratio };
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
    centre = { x: centre.x + grip.at.x - now.x, y: centre.y + grip.at.y - now.y };
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
  new ResizeObserver(show).observe(map);
  return {
    fit(width, height) {
      whole = { width, height };
      factor = 1;
      show();
    },
  };
}
