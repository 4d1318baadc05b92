"use strict";
// the timeline may be drawn wider than the screen; without scripts it is as wide as the page
document.querySelectorAll(".zooms").forEach(tools => {
  const inside = tools.parentElement.querySelector(".inside"), track = inside.parentElement, buttons = [...tools.querySelectorAll("button")];
  tools.hidden = false;
  for (const button of buttons) button.addEventListener("click", () => {
    const middle = (track.scrollLeft + track.clientWidth / 2) / inside.clientWidth;  // what is in the middle stays there
    inside.style.setProperty("--times", button.dataset.times);
    inside.classList.toggle("wide", button.dataset.times > 2);
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    track.scrollLeft = middle * inside.clientWidth - track.clientWidth / 2;
  });
});
