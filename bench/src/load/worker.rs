//! One thread of the driver: an epoll loop over its connections and its part of the schedule.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::operation::{Io, Job, Note, Operation, Source, Step, Verdict};
use super::saturation::{Usage, thread_usage};
use super::schedule::Schedule;
use super::{Connection, Load, Watch};
use crate::client::Result;
use crate::clock::{self, nanos};
use crate::limits::READS_MAX;
use crate::record::{self, Recorder};

/// What all threads of a run share; times in nanoseconds of `clock::now`.
pub struct Setup {
    pub load: Load,
    pub start: u64,
    /// End of the warm-up.
    pub from: u64,
    /// End of sending, and the latest one for a closed loop that has measured too little by then.
    pub until: u64,
    pub latest: u64,
    pub threads: usize,
}

/// What one thread brings home.
pub struct Worked {
    pub recorder: Recorder,
    pub usage: Usage,
    pub connections: Vec<Connection>,
    /// When the last answer came.
    pub last: u64,
    pub received: u64,
    pub sent: u64,
}

struct Flight {
    class: usize,
    operation: Box<dyn Operation>,
    due: u64,
    sent: u64,
}

struct Slot {
    connection: Connection,
    flights: VecDeque<Flight>,
    out: Vec<u8>,
    written: usize,
    tags: u32,
    wants_write: bool,
    dead: bool,
}

pub struct Worker<'a> {
    setup: &'a Setup,
    epoll: rustix::fd::OwnedFd,
    slots: Vec<Slot>,
    source: Box<dyn Source>,
    schedule: Option<Schedule>,
    /// Due times for which no connection was free.
    waiting: VecDeque<u64>,
    /// Slots that can take an operation, and whether a slot is in it.
    free: VecDeque<usize>,
    is_free: Vec<bool>,
    exhausted: bool,
    recorder: Recorder,
    notes: Vec<Note>,
    watch: &'a Watch,
    under_way: usize,
    /// Operations that fell due after the warm-up and are answered.
    measured: u64,
    /// Whether any was sent after the warm-up.
    started: bool,
    last: u64,
    received: u64,
    sent: u64,
}

impl<'a> Worker<'a> {
    pub fn new(
        setup: &'a Setup,
        number: usize,
        connections: Vec<Connection>,
        source: Box<dyn Source>,
        classes: &[String],
        watch: &'a Watch,
    ) -> Result<Worker<'a>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut slots = Vec::with_capacity(connections.len());
        for (n, connection) in connections.into_iter().enumerate() {
            epoll::add(&epoll, &connection.transport.socket, EventData::new_u64(n as u64), EventFlags::IN)
                .map_err(io::Error::from)?;
            slots.push(Slot {
                connection,
                flights: VecDeque::new(),
                out: Vec::new(),
                written: 0,
                tags: 0,
                wants_write: false,
                dead: false,
            });
        }
        let count = slots.len();
        Ok(Worker {
            schedule: Schedule::new(setup.load.pattern, setup.start, number, setup.threads, setup.load.seed),
            setup,
            epoll,
            slots,
            source,
            waiting: VecDeque::new(),
            free: (0..count).collect(),
            is_free: vec![true; count],
            exhausted: false,
            recorder: Recorder::new(classes, setup.from),
            notes: Vec::new(),
            watch,
            under_way: 0,
            measured: 0,
            started: false,
            last: setup.from,
            received: 0,
            sent: 0,
        })
    }

    pub fn work(mut self) -> Result<Worked> {
        let (cpu, waited) = thread_usage();
        let begin = clock::now();
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let (mut checked, mut meant, mut stood) = (begin, begin, 0);
        loop {
            let now = clock::now();
            stood = stood.max(now.saturating_sub(meant));
            let sending = self.is_sending(now);
            if now >= self.setup.start {
                self.send_due(now, sending);
            }
            if now - checked > 100_000_000 {
                self.give_up_late(now);
                checked = now;
            }
            if !sending && self.under_way == 0 && (self.waiting.is_empty() || self.exhausted) {
                break;
            }
            if now > self.setup.latest + 2 * nanos(self.setup.load.timeout)
                || self.slots.iter().all(|s| s.dead)
            {
                break;
            }
            events.clear();
            let timeout = self.timeout(now, sending);
            meant = clock::now() + timeout.tv_sec as u64 * 1_000_000_000 + timeout.tv_nsec as u64;
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            for event in &events {
                let (n, flags) = (event.data.u64() as usize, event.flags);
                if flags.intersects(EventFlags::OUT) {
                    self.flush(n);
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
                    self.receive(n);
                }
            }
        }
        Ok(self.finish(begin, cpu, waited, stood))
    }

    fn is_sending(&self, now: u64) -> bool {
        let setup = self.setup;
        let least = setup.load.least / setup.threads as u64;
        // Operations may take longer than all of the time: then one of each thread has to do.
        let none = self.schedule.is_none() && !self.started && now < setup.latest + nanos(setup.load.timeout);
        (now < setup.until || (now < setup.latest && self.measured < least) || none)
            && !self.exhausted
            && !self.watch.stop.load(Relaxed)
    }

    /// Sends what is due (open loop) or whatever a connection can take (closed loop).
    fn send_due(&mut self, now: u64, sending: bool) {
        if self.schedule.is_some() {
            while let Some(schedule) = &mut self.schedule
                && sending
                && schedule.peek() <= now
                && schedule.peek() < self.setup.until
            {
                let due = schedule.pop();
                if due >= self.setup.from {
                    record::put(&mut self.recorder.lag, now - due);
                }
                self.waiting.push_back(due);
            }
            while !self.waiting.is_empty() && !self.exhausted {
                let Some(slot) = self.take_free() else { break };
                let due = self.waiting.pop_front().unwrap_or(now);
                self.start(slot, due);
                self.flush(slot);
            }
        } else if sending {
            while let Some(slot) = self.take_free() {
                while self.slots[slot].flights.len() < self.setup.load.depth && !self.exhausted {
                    self.start(slot, clock::now());
                }
                self.flush(slot);
                if self.exhausted {
                    break;
                }
            }
        }
    }

    fn take_free(&mut self) -> Option<usize> {
        while let Some(slot) = self.free.pop_front() {
            self.is_free[slot] = false;
            if !self.slots[slot].dead && self.slots[slot].flights.len() < self.setup.load.depth {
                return Some(slot);
            }
        }
        None
    }

    fn set_free(&mut self, slot: usize) {
        if !self.is_free[slot]
            && !self.slots[slot].dead
            && self.slots[slot].flights.len() < self.setup.load.depth
        {
            self.is_free[slot] = true;
            self.free.push_back(slot);
        }
    }

    fn start(&mut self, n: usize, due: u64) {
        let slot = &mut self.slots[n];
        let Some(Job { class, mut operation }) = self.source.next(slot.connection.number) else {
            self.exhausted = true;
            return;
        };
        slot.tags += 1;
        self.started |= due >= self.setup.from;
        let sent = clock::now();
        operation.start(slot.tags, &mut Io { out: &mut slot.out, now: sent, notes: &mut self.notes });
        slot.flights.push_back(Flight { class, operation, due, sent });
        self.under_way += 1;
        self.set_free(n);
    }

    fn flush(&mut self, n: usize) {
        let slot = &mut self.slots[n];
        let transport = &mut slot.connection.transport;
        let mut blocked = false;
        while slot.written < slot.out.len() {
            match transport.write(&slot.out[slot.written..]) {
                Ok(0) => break,
                Ok(count) => {
                    slot.written += count;
                    self.sent += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    blocked = true;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(n, &error.to_string()),
            }
        }
        if slot.written == slot.out.len() {
            slot.out.clear();
            slot.written = 0;
            match transport.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
                Err(error) => return self.lost(n, &error.to_string()),
                Ok(()) => blocked |= transport.holds_output(),
            }
        }
        if blocked != slot.wants_write {
            slot.wants_write = blocked;
            let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let _ = epoll::modify(&self.epoll, &transport.socket, EventData::new_u64(n as u64), flags);
        }
    }

    fn receive(&mut self, n: usize) {
        for _ in 0..READS_MAX {
            let slot = &mut self.slots[n];
            if slot.dead {
                return;
            }
            let space = slot.connection.reader.space();
            let room = space.len();
            match slot.connection.transport.read(space) {
                Ok(0) => return self.lost(n, "the server closed the connection"),
                Ok(count) => {
                    let now = clock::now();
                    slot.connection.reader.filled(count);
                    self.received += count as u64;
                    self.lines(n, now);
                    self.flush(n);
                    if count < room {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(n, &error.to_string()),
            }
        }
    }

    /// Gives complete lines to the operation that is at its turn.
    fn lines(&mut self, n: usize, now: u64) {
        loop {
            let slot = &mut self.slots[n];
            let line = match slot.connection.reader.line() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(_) => return self.lost(n, "a line too long"),
            };
            let Some(flight) = slot.flights.front_mut() else {
                // Told without being asked: EXISTS and the like between commands.
                if line.starts_with(b"* BYE") {
                    return self.lost(n, "BYE");
                }
                continue;
            };
            let step =
                flight.operation.line(line, &mut Io { out: &mut slot.out, now, notes: &mut self.notes });
            if let Step::Done(outcome) = step
                && let Some(flight) = slot.flights.pop_front()
            {
                if slot.flights.is_empty() {
                    slot.connection.reader.shrink();
                }
                self.under_way -= 1;
                self.last = self.last.max(now);
                self.measured += u64::from(flight.due >= self.setup.from);
                self.watch.done.fetch_add(1, Relaxed);
                if outcome.verdict != Verdict::Right {
                    self.watch.failed.fetch_add(1, Relaxed);
                }
                self.recorder.operation(
                    flight.class,
                    flight.due,
                    flight.sent,
                    now,
                    outcome.verdict,
                    outcome.units,
                );
                self.next(n, now);
            }
            for note in self.notes.drain(..) {
                self.last = self.last.max(now);
                self.recorder.note(note.class, note.nanos, now);
            }
        }
    }

    /// A slot has become free: it takes what waits, or goes on at once in a closed loop.
    fn next(&mut self, n: usize, now: u64) {
        if self.exhausted || self.slots[n].dead {
            return self.set_free(n);
        }
        if self.schedule.is_some() {
            if let Some(due) = self.waiting.pop_front() {
                self.start(n, due);
            }
        } else if self.is_sending(now) {
            self.start(n, now);
        }
        self.set_free(n);
    }

    /// A connection is gone, and with it what was under way.
    fn lost(&mut self, n: usize, why: &str) {
        let slot = &mut self.slots[n];
        if slot.dead {
            return;
        }
        slot.dead = true;
        let _ = epoll::delete(&self.epoll, &slot.connection.transport.socket);
        let now = clock::now();
        for flight in slot.flights.drain(..) {
            self.under_way -= 1;
            self.watch.failed.fetch_add(1, Relaxed);
            self.last = self.last.max(now);
            let verdict = Verdict::Refused(why.to_owned());
            self.recorder.operation(flight.class, flight.due, flight.sent, now, verdict, 0);
        }
    }

    /// Operations whose answer takes too long are late, and so is everything behind them.
    fn give_up_late(&mut self, now: u64) {
        let timeout = nanos(self.setup.load.timeout);
        for n in 0..self.slots.len() {
            let slot = &mut self.slots[n];
            if slot.flights.front().is_some_and(|flight| now - flight.sent.min(now) > timeout) {
                slot.dead = true;
                let _ = epoll::delete(&self.epoll, &slot.connection.transport.socket);
                for flight in slot.flights.drain(..) {
                    self.under_way -= 1;
                    self.last = self.last.max(now);
                    self.watch.failed.fetch_add(1, Relaxed);
                    self.recorder.late(flight.class, flight.due, now);
                }
            }
        }
    }

    /// How long there is nothing to do but to wait for sockets.
    fn timeout(&self, now: u64, sending: bool) -> Timespec {
        let mut until = now + 100_000_000;
        if now < self.setup.start {
            until = until.min(self.setup.start);
        } else if sending {
            let ends = [self.setup.until, self.setup.latest];
            until = until.min(ends.into_iter().find(|end| *end > now).unwrap_or(until));
            if let Some(schedule) = &self.schedule {
                until = until.min(schedule.peek());
            }
        }
        let left = until.saturating_sub(now);
        Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as _ }
    }

    fn finish(mut self, begin: u64, cpu: u64, waited: u64, stood: u64) -> Worked {
        let now = clock::now();
        for slot in &mut self.slots {
            for flight in slot.flights.drain(..) {
                self.last = now;
                slot.dead = true;
                self.recorder.late(flight.class, flight.due, now);
            }
        }
        if !self.exhausted {
            // Due, and no connection ever was free for it.
            for due in self.waiting.drain(..) {
                self.recorder.late(0, due, now);
            }
        }
        let (cpu_now, waited_now) = thread_usage();
        let usage = Usage { cpu: cpu_now - cpu, waited: waited_now - waited, wall: now - begin, stood };
        let connections = self.slots.into_iter().filter(|s| !s.dead).map(|s| s.connection).collect();
        Worked {
            recorder: self.recorder,
            usage,
            connections,
            last: self.last,
            received: self.received,
            sent: self.sent,
        }
    }
}
