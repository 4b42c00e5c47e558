// A page of HTML that needs nothing beside itself: style and script stand in it, pictures are data:
// addresses, and its content security policy forbids it to load anything. All texts are plain and
// are escaped here.
//
//   report::Page page{"runs/a", "joint on shapes", {}, {}};
//   page.sections.push_back({"result", "Result", {report::Paragraph{"60 queries"}}});
//   write_file("a.html", report::to_html(page));
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vtr::report {

struct Paragraph {
  std::string text;
};

// Figures to be seen first.
struct Cards {
  struct Card {
    std::string name, value, note;
  };
  std::vector<Card> cards;
};

// Its header sorts it. A column of cells that begin with a number, are empty or "-"
// stands to the right.
struct SortableTable {
  struct Cell {
    std::string text;
    std::string href = {};  // of a link, to another page or a place in this one
  };
  std::string caption;
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;
};

// A histogram.
struct Bars {
  struct Bar {
    std::string label;
    double value = 0;
    std::string text;  // of the value
  };
  std::string caption, of, what;  // what the bars are of, and what their lengths are
  std::vector<Bar> bars;
};

struct Picture {
  std::string type, bytes;  // "image/png" or "image/jpeg"
  std::string alt;
};

// A picture as large as there is room, its pixels kept sharp.
struct Figure {
  Picture picture;
  std::string caption;
};

struct Drawing {
  std::string svg;  // a file's, with its title in it, as svg() of vtr/report/plot.h makes it
  std::string name;
};

// Frames of a video in their order, with what they are weighed with.
struct Strip {
  struct Frame {
    Picture picture;
    std::string label;
    std::optional<double> weight = {};
    bool kept = true;
  };
  std::string caption;
  std::vector<Frame> frames;
  std::string missing = {};  // why there are none
};

// Under a heading of its own.
struct Story {
  std::string title;
  std::vector<std::string> facts;
  std::vector<Strip> strips;
};

// Lines as they are in a file, folded away.
struct Listing {
  std::string title, text;
};

using Block = std::variant<Paragraph, Cards, SortableTable, Bars, Figure, Drawing, Story, Listing>;

struct Section {
  std::string id, title;  // the id is that of links, `#id`
  std::vector<Block> blocks;
};

struct Link {
  std::string title, href;
};

struct Page {
  std::string title, subtitle;
  std::vector<Link> pages;  // the others
  std::vector<Section> sections;
};

std::string to_html(const Page& page);

}  // namespace vtr::report
