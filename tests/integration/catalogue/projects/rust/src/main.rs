fn main() {
    let name = std::env::args().nth(1).expect("whom?");
    println!("{}", greeting::greeting(&name));
}
