import os

import pg8000.native


def test_notes_are_kept() -> None:
    password = os.environ["PGPASSWORD"]
    with pg8000.native.Connection("postgres", host=os.environ["PGHOST"], password=password) as connection:
        connection.run("CREATE TEMPORARY TABLE note (text text)")
        connection.run("INSERT INTO note VALUES (:text)", text="a first note")
        assert connection.run("SELECT text FROM note") == [["a first note"]]
