// What scrolls can be reached by the keyboard, each landmark has a name of its own, and a picture opens in full size.
document.addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll("pre, .math, .table-wrapper")) {
    if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
  }
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
  for (const picture of document.querySelectorAll("article img")) {
    if (picture.closest("a")) continue;
    const link = document.createElement("a");
    link.href = picture.src;
    link.title = "in full size";
    picture.replaceWith(link);
    link.append(picture);
    const measure = () => link.classList.toggle("wide", picture.naturalWidth > 640);
    picture.addEventListener("load", measure);
    measure();
  }
});
